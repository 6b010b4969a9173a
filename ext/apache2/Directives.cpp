#include "Directives.h"

#include <array>
#include <charconv>
#include <cstring>
#include <string_view>
#include <variant>

#include "DirectiveTable.h"

namespace Passenger::Directives {

namespace {

/** What a bad value is answered with. */
const char *refusal(const cmd_parms *cmd, const Directive &directive, const char *value, const char *allowed) {
    // `cmd` knows the name as it was written, perhaps an alias.
    const char *name = cmd->cmd->name;
    (void)directive;
    return apr_psprintf(cmd->pool, "%s does not take \"%s\"; allowed: %s", name, value, allowed);
}

const char *setText(const cmd_parms *cmd, const Directive &directive, Settings::Text &target, const char *value) {
    if (*value == '\0') {
        return refusal(cmd, directive, value, "a value that is not empty");
    }
    switch (directive.field.form) {
        case Form::PLAIN:
            target = value;
            return nullptr;
        case Form::PATH:
            target = ap_server_root_relative(cmd->pool, value);
            return target != nullptr ? nullptr : refusal(cmd, directive, value, "a path");
        case Form::CHOICE:
            break;
    }
    const char *allowed = "";
    for (const Choice &choice : directive.field.choices) {
        if (strcasecmp(choice.word, value) == 0) {
            target = choice.meaning;
            return nullptr;
        }
        allowed = apr_pstrcat(cmd->temp_pool, allowed, *allowed != '\0' ? ", " : "", choice.word, nullptr);
    }
    return refusal(cmd, directive, value, allowed);
}

const char *setNumber(const cmd_parms *cmd, const Directive &directive, Settings::Number &target, const char *value) {
    const Field &field = directive.field;
    int number = 0;
    const char *end = value + std::strlen(value);
    auto [rest, error] = std::from_chars(value, end, number);
    if (error != std::errc() || rest != end || number < field.least || number > field.most) {
        return refusal(cmd, directive, value,
                       apr_psprintf(cmd->temp_pool, "a whole number from %d to %d", field.least, field.most));
    }
    target = number;
    return nullptr;
}

const char *setFlag(const cmd_parms *cmd, const Directive &directive, Settings::Flag &target, const char *value) {
    if (strcasecmp(value, "on") == 0) {
        target = true;
    } else if (strcasecmp(value, "off") == 0) {
        target = false;
    } else {
        return refusal(cmd, directive, value, "On, Off");
    }
    return nullptr;
}

/** The only function that httpd calls: cmd_data says for which row. */
const char *apply(cmd_parms *cmd, void *place, const char *value) noexcept {
    const auto &directive = *static_cast<const Directive *>(cmd->cmd->cmd_data);
    auto &settings = *static_cast<Settings *>(place);
    if (directive.context == Context::GLOBAL && ap_check_cmd_context(cmd, GLOBAL_ONLY) != nullptr) {
        return apr_psprintf(
            cmd->pool,
            "%s is for the whole server: it belongs outside of <VirtualHost>, <Directory> and any other section",
            cmd->cmd->name);
    }
    return std::visit(
        [&](auto member) -> const char * {
            using Member = std::remove_reference_t<decltype(settings.*member)>;
            if constexpr (std::is_same_v<Member, Settings::Text>) {
                return setText(cmd, directive, settings.*member, value);
            } else if constexpr (std::is_same_v<Member, Settings::Number>) {
                return setNumber(cmd, directive, settings.*member, value);
            } else {
                return setFlag(cmd, directive, settings.*member, value);
            }
        },
        directive.field.member);
}

constexpr int overridesFor(Context context) {
    switch (context) {
        case Context::GLOBAL:
            return RSRC_CONF;
        case Context::APPLICATION:
            return RSRC_CONF | ACCESS_CONF;
        case Context::LOCAL:
            return OR_ALL;
    }
    return RSRC_CONF;
}

constexpr std::size_t countNames() {
    std::size_t count = 0;
    for (const Directive &directive : TABLE) {
        ++count;
        for (const char *alias : directive.aliases) {
            count += alias != nullptr ? 1 : 0;
        }
    }
    return count;
}

constexpr command_rec command(const char *name, const Directive &directive) {
    command_rec record{};
    record.name = name;
    record.func.take1 = apply;
    record.cmd_data = const_cast<Directive *>(&directive);
    record.req_override = overridesFor(directive.context);
    record.args_how = TAKE1;
    record.errmsg = directive.meaning;
    return record;
}

constexpr auto makeCommands() {
    std::array<command_rec, countNames() + 1> records{};
    std::size_t next = 0;
    for (const Directive &directive : TABLE) {
        records[next++] = command(directive.name, directive);
        for (const char *alias : directive.aliases) {
            if (alias != nullptr) {
                records[next++] = command(alias, directive);
            }
        }
    }
    return records;
}

constinit const auto COMMANDS = makeCommands();

}  // namespace

const command_rec *commands() noexcept {
    return COMMANDS.data();
}

void merge(Settings &settings, const Settings &inner) noexcept {
    for (const Directive &directive : TABLE) {
        std::visit(
            [&](auto member) {
                if (inner.*member) {
                    settings.*member = inner.*member;
                }
            },
            directive.field.member);
    }
}

}  // namespace Passenger::Directives
