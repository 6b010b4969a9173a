#include "Directives.h"

#include <array>
#include <charconv>
#include <climits>
#include <cstring>
#include <string_view>
#include <variant>

namespace Passenger::Directives {

namespace {

/** Where a directive may stand. */
enum class Context {
    /** The main server, outside of any section. */
    GLOBAL,
    /** Main server, virtual host, Directory, Location. */
    APPLICATION,
    /** The same, and .htaccess. */
    LOCAL
};

/** How a text value is understood. */
enum class Form {
    PLAIN,
    /** A path; relative ones begin at ServerRoot. */
    PATH,
    /** One of Field::choices. */
    CHOICE
};

/** One allowed word and what it means. */
struct Choice {
    const char *word;
    const char *meaning;
};

constexpr std::array<Choice, 4> SPAWN_METHODS{{
    {"smart", "smart"},
    {"direct", "direct"},
    {"conservative", "direct"},
    {"smart-lv2", "smart"},
}};

/** The member of Settings that a directive sets, and which values it takes. */
struct Field {
    std::variant<Settings::Text Settings::*, Settings::Number Settings::*, Settings::Flag Settings::*> member;
    Form form = Form::PLAIN;
    int least = 0;
    int most = INT_MAX;
};

constexpr Field text(Settings::Text Settings::*member) {
    return {member};
}
constexpr Field path(Settings::Text Settings::*member) {
    return {member, Form::PATH};
}
constexpr Field spawnMethod(Settings::Text Settings::*member) {
    return {member, Form::CHOICE};
}
constexpr Field number(Settings::Number Settings::*member, int least, int most) {
    return {member, Form::PLAIN, least, most};
}
constexpr Field flag(Settings::Flag Settings::*member) {
    return {member};
}

struct Directive {
    const char *name;
    Context context;
    Field field;
    const char *fallback;
    const char *meaning;
    std::array<const char *, 2> aliases{};
};

constexpr int MANY = 1'000'000;
constexpr int LONG_TIME = 365 * 24 * 3600;

// One row for each directive: it drives parsing, the messages, merging and the aliases.
constexpr std::array TABLE{
    // Server
    Directive{"PassengerRoot", Context::GLOBAL, path(&Settings::root), PASSENGER_DEFAULT_ROOT,
              "where the agent and lib/ are"},
    Directive{"PassengerDefaultRuby", Context::GLOBAL, text(&Settings::defaultRuby), "ruby",
              "interpreter when an application names none"},
    Directive{"PassengerDefaultUser", Context::GLOBAL, text(&Settings::defaultUser), "nobody",
              "runs applications instead of root or of an unknown owner"},
    Directive{"PassengerDefaultGroup", Context::GLOBAL, text(&Settings::defaultGroup),
              "the default user's primary group", "group for the same case"},
    Directive{"PassengerLogLevel", Context::GLOBAL, number(&Settings::logLevel, 0, 7), "3",
              "0 critical, 3 notice, 7 all of debugging"},
    Directive{"PassengerLogFile",
              Context::GLOBAL,
              path(&Settings::logFile),
              "httpd's error log",
              "agent's and applications' output",
              {"PassengerDebugLogFile"}},
    Directive{"PassengerMaxPoolSize", Context::GLOBAL, number(&Settings::maxPoolSize, 1, MANY), "6",
              "instances of all applications together"},
    Directive{"PassengerPoolIdleTime", Context::GLOBAL, number(&Settings::poolIdleTime, 0, LONG_TIME), "300",
              "seconds after which an idle instance ends; 0: never"},
    Directive{"PassengerStatThrottleRate", Context::GLOBAL, number(&Settings::statThrottleRate, 0, LONG_TIME), "10",
              "seconds between looks at restart files"},

    // Application
    Directive{"PassengerRuby", Context::APPLICATION, text(&Settings::ruby), "PassengerDefaultRuby", "interpreter"},
    Directive{"PassengerAppRoot", Context::APPLICATION, path(&Settings::appRoot), "the parent of DocumentRoot",
              "the application's folder"},
    Directive{"PassengerAppEnv",
              Context::APPLICATION,
              text(&Settings::appEnv),
              "production",
              "RAILS_ENV, RACK_ENV",
              {"RailsEnv", "RackEnv"}},
    Directive{"PassengerMinInstances", Context::APPLICATION, number(&Settings::minInstances, 0, MANY), "1",
              "instances kept even when idle"},
    Directive{"PassengerMaxInstances", Context::APPLICATION, number(&Settings::maxInstances, 0, MANY), "0",
              "instances of this application; 0: no limit of its own"},
    Directive{"PassengerUser", Context::APPLICATION, text(&Settings::user), "owner of the startup file",
              "user that the application runs as"},
    Directive{"PassengerGroup", Context::APPLICATION, text(&Settings::group), "the user's primary group",
              "group that it runs as"},
    Directive{"PassengerStartTimeout", Context::APPLICATION, number(&Settings::startTimeout, 1, LONG_TIME), "90",
              "seconds in which an instance must have started"},
    Directive{"PassengerSpawnMethod",
              Context::APPLICATION,
              spawnMethod(&Settings::spawnMethod),
              "smart",
              "smart or direct",
              {"RailsSpawnMethod"}},
    Directive{"PassengerThreadCount", Context::APPLICATION, number(&Settings::threadCount, 1, 1024), "1",
              "threads of an instance"},
    Directive{"PassengerRestartDir", Context::APPLICATION, text(&Settings::restartDir), "tmp",
              "where restart.txt is looked for"},

    // Request
    Directive{"PassengerEnabled", Context::LOCAL, flag(&Settings::enabled), "on", "off: httpd alone serves this place"},
};

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
    for (const Choice &choice : SPAWN_METHODS) {
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
