#include "apache2/config/Directives.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cctype>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "apache2/config/DirectiveTable.h"
#include "apache2/config/FairnessSource.h"
#include "apache2/config/NotedGrants.h"
#include "apache2/config/NumberValue.h"
#include "apache2/config/Origins.h"
#include "base/LogTarget.h"
#include "exchange/WarmUp.h"

namespace Passenger::Directives {

namespace {

constexpr std::string_view PREFIX = "Passenger";

/** A name that the configuration may use: a directive's own, or an alias. */
struct Name {
    const char *text = nullptr;
    const Directive *directive = nullptr;
};

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

constexpr auto makeNames() {
    std::array<Name, countNames()> names{};
    std::size_t next = 0;
    for (const Directive &directive : TABLE) {
        names[next++] = {directive.name, &directive};
        for (const char *alias : directive.aliases) {
            if (alias != nullptr) {
                names[next++] = {alias, &directive};
            }
        }
    }
    return names;
}

constexpr auto NAMES = makeNames();

/** The notices to log for each name after the configuration is read. httpd reads its configuration
 *  on one thread, but .htaccess files on many. */
enum Remark : unsigned char { USED = 1, MISPLACED = 2, IDLE = 4 };
constinit std::array<std::atomic<unsigned char>, NAMES.size()> remarks{};

/** @return whether the remark is new */
bool remark(const Name &name, Remark what) {
    auto &known = remarks[static_cast<std::size_t>(&name - NAMES.data())];
    return (known.fetch_or(what, std::memory_order_relaxed) & what) == 0;
}

void logIdle(const server_rec *server, const Name &name) {
    ap_log_error(APLOG_MARK, APLOG_NOTICE | APLOG_STARTUP, 0, server, "%s %s", name.text, name.directive->idle.notice);
}

void logNotice(const server_rec *server, const Name &name) {
    const Directive &directive = *name.directive;
    const bool renamed = directive.successor != nullptr;
    ap_log_error(APLOG_MARK, APLOG_NOTICE | APLOG_STARTUP, 0, server, "%s %s%s%s", name.text, directive.notice,
                 renamed ? ": use " : "", renamed ? directive.successor : "");
}

/** The message for a bad value. `cmd` has the name as the configuration uses it, perhaps an
 *  alias. */
const char *refusal(const cmd_parms *cmd, const char *value, const char *allowed) {
    return apr_psprintf(cmd->pool, "%s does not take \"%s\"; allowed: %s", cmd->cmd->name, value, allowed);
}

bool startsWith(const char *value, std::string_view begin) {
    return strncasecmp(value, begin.data(), begin.size()) == 0 && value[begin.size()] != '\0';
}

/** The settings of the main server, which exists before httpd reads any directive. */
Settings &mainSettings() {
    return *static_cast<Settings *>(ap_get_module_config(ap_server_conf->lookup_defaults, &passenger_module));
}

/** Collects the path for the agent (AgentSettings::appFiles). Refuses a path in a .htaccess file,
 *  whose author may not make root open files. */
const char *noteAppFile(const cmd_parms *cmd, const char *path) {
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_RUN_MPM) {
        return apr_pstrcat(cmd->pool, cmd->cmd->name,
                           " is not allowed in a .htaccess file: set it in httpd's configuration", nullptr);
    }
    Settings &settings = mainSettings();
    if (settings.appFiles == nullptr) {
        settings.appFiles = apr_array_make(cmd->pool, 1, sizeof(const char *));
    }
    *static_cast<const char **>(apr_array_push(settings.appFiles)) = path;
    return nullptr;
}

/** @return whether the host of a URL has something before an @ */
bool hasUser(std::string_view url) {
    url.remove_prefix(url.find("//") + 2);
    return url.substr(0, url.find_first_of("/?#")).find('@') != std::string_view::npos;
}

const char *setLog(const cmd_parms *cmd, const char *&target, const char *value) {
    const bool isCommand = *value == '|';
    if (isCommand || LogTarget::isNamedBy(value)) {
        target = value;
        const bool good = isCommand ? value[1] != '\0' : LogTarget::parse(value).has_value();
        return good ? nullptr : refusal(cmd, value, LOG_TARGETS);
    }
    target = ap_server_root_relative(cmd->pool, value);
    return target != nullptr ? nullptr : refusal(cmd, value, LOG_TARGETS);
}

/** Whether the path is what Phusion Passenger's PassengerRoot names: a file locations.ini, or its
 *  source folder. */
bool isOfPhusion(const std::string &root) {
    return root.ends_with("/locations.ini") || access((root + "/lib/phusion_passenger.rb").c_str(), F_OK) == 0 ||
           access((root + "/src/ruby_supportlib/phusion_passenger.rb").c_str(), F_OK) == 0;
}

const char *setRoot(const cmd_parms *cmd, const char *&target, const char *value) {
    const char *path = ap_server_root_relative(cmd->pool, value);
    if (path == nullptr) {
        return refusal(cmd, value, "a path");
    }
    (isOfPhusion(path) ? mainSettings().foreignRoot : target) = path;
    return nullptr;
}

const char *setPath(const cmd_parms *cmd, const char *&target, const char *value) {
    target = ap_server_root_relative(cmd->pool, value);
    return target != nullptr ? nullptr : refusal(cmd, value, "a path");
}

const char *setAppFile(const cmd_parms *cmd, const char *&target, const char *value) {
    const char *problem = setPath(cmd, target, value);
    return problem == nullptr ? noteAppFile(cmd, target) : problem;
}

const char *setUrl(const cmd_parms *cmd, const char *&target, const char *value) {
    target = value;
    if (!startsWith(value, "http://") && !startsWith(value, "https://")) {
        return refusal(cmd, value, "a URL that begins with http:// or https://");
    }
    // The message does not repeat the value, which contains a password.
    return hasUser(value) ? apr_pstrcat(cmd->pool, cmd->cmd->name,
                                        " takes no URL with a user or password: the server at that address would "
                                        "receive them. Remove the part before the @",
                                        nullptr)
                          : nullptr;
}

const char *setChoice(const cmd_parms *cmd, const Field &field, const char *&target, const char *value) {
    const char *allowed = "";
    for (const Choice &choice : field.choices) {
        if (strcasecmp(choice.word, value) == 0) {
            target = choice.meaning;
            return nullptr;
        }
        allowed = apr_pstrcat(cmd->temp_pool, allowed, *allowed != '\0' ? ", " : "", choice.word, nullptr);
    }
    return refusal(cmd, value, allowed);
}

bool isAddress(const char *text) {
    in6_addr address;
    return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
}

/** The texts that a form takes, and stores unchanged. */
struct Check {
    Form form;
    bool (*accepts)(const char *value);
    const char *allowed;
};

/** Forms without a row take any text. */
constexpr std::array CHECKS{
    Check{Form::URI, [](const char *value) { return *value == '/'; }, "the path of a URL, which begins with /"},
    Check{Form::COOKIE_NAME, [](const char *value) { return *value != '\0' && *ap_scan_http_token(value) == '\0'; },
          "a name without spaces, quotes, backslashes and any of ( ) < > @ , ; : / [ ] ? = { }"},
    Check{Form::CALLABLE, [](const char *value) { return *value != ':' && !std::string_view(value).ends_with(':'); },
          "NAME, or MODULE:NAME"},
    Check{Form::ADDRESS, isAddress, "an IP address"},
    Check{Form::WARM_UP, [](const char *value) { return WarmUp::parse(value).has_value(); },
          "the path of a URL, which begins with /, or a URL that begins with http:// or https:// and has a path"},
    Check{Form::FAIRNESS, [](const char *value) { return FairnessSource::parse(value).has_value(); },
          FairnessSource::ALLOWED},
};

const char *setChecked(const cmd_parms *cmd, Form form, const char *&target, const char *value) {
    target = value;
    for (const Check &check : CHECKS) {
        if (check.form == form && !check.accepts(value)) {
            return refusal(cmd, value, check.allowed);
        }
    }
    return nullptr;
}

const char *setText(const cmd_parms *cmd, const Field &field, const char *&target, const char *value) {
    switch (field.form) {
        case Form::PATH: return setPath(cmd, target, value);
        case Form::ROOT: return setRoot(cmd, target, value);
        case Form::LOG: return setLog(cmd, target, value);
        case Form::APP_FILE: return setAppFile(cmd, target, value);
        case Form::URL: return setUrl(cmd, target, value);
        case Form::CHOICE: return setChoice(cmd, field, target, value);
        default: return setChecked(cmd, field.form, target, value);
    }
}

const char *setNumber(const cmd_parms *cmd, const Field &field, Given<int> &target, const char *value) {
    std::optional<int> number;
    const char *allowed = NumberValue::read(field, number, value, cmd->temp_pool);
    if (number) {
        target = *number;
    }
    return allowed == nullptr ? nullptr : refusal(cmd, value, allowed);
}

const char *setFlag(const cmd_parms *cmd, Given<bool> &target, const char *value) {
    if (strcasecmp(value, "on") == 0) {
        target = true;
    } else if (strcasecmp(value, "off") == 0) {
        target = false;
    } else {
        return refusal(cmd, value, "On, Off");
    }
    return nullptr;
}

const char *addToList(const cmd_parms *cmd, const Field &field, Given<const apr_array_header_t *> &target,
                      const char *value) {
    const char *text = nullptr;
    if (const char *problem = setText(cmd, field, text, value); problem != nullptr) {
        return problem;
    }
    apr_array_header_t *longer =
        target ? apr_array_copy(cmd->pool, *target) : apr_array_make(cmd->pool, 1, sizeof(const char *));
    *static_cast<const char **>(apr_array_push(longer)) = text;
    target = longer;
    return nullptr;
}

const char *set(const cmd_parms *cmd, const Field &field, Settings &settings, const char *value) {
    return std::visit(
        [&](auto member) -> const char * {
            using Member = std::remove_reference_t<decltype(settings.*member)>;
            // A directive that sets nothing accepts the same values as one that does.
            Member nowhere{};
            auto &target = (member != nullptr ? settings.*member : nowhere).given;
            if constexpr (std::is_same_v<Member, Settings::Text>) {
                const char *text = target.value_or(nullptr);
                const char *problem = setText(cmd, field, text, value);
                target = text;
                return problem;
            } else if constexpr (std::is_same_v<Member, Settings::Number>) {
                return setNumber(cmd, field, target, value);
            } else if constexpr (std::is_same_v<Member, Settings::List>) {
                return addToList(cmd, field, target, value);
            } else {
                return setFlag(cmd, target, value);
            }
        },
        field.member);
}

/** A directive for the whole server that stands in a virtual host has an effect, too, with a
 *  warning: configurations for Phusion Passenger have such directives. */
void remarkPlace(const cmd_parms *cmd, const Name &name) {
    if (cmd->server->is_virtual) {
        remark(name, MISPLACED);
    }
}

bool isIdle(cmd_parms *cmd, const Directive &directive) {
    return directive.idle.when == Idle::When::IN_FOLDERS &&
           ap_check_cmd_context(cmd, NOT_IN_DIRECTORY | NOT_IN_FILES | NOT_IN_HTACCESS) != nullptr;
}

/** httpd calls this function for each directive. cmd_data is the Name. */
const char *apply(cmd_parms *cmd, void *place, const char *value) noexcept {
    const auto &name = *static_cast<const Name *>(cmd->cmd->cmd_data);
    const Directive &directive = *name.directive;
    auto *settings = static_cast<Settings *>(place);
    if (directive.context == Context::GLOBAL) {
        settings = &mainSettings();
        remarkPlace(cmd, name);
    }
    // False in a .htaccess file: a request reads it, so logNotices() does not follow.
    const bool toldLater = ap_state_query(AP_SQ_MAIN_STATE) != AP_SQ_MS_RUN_MPM;
    if (directive.notice != nullptr && remark(name, USED) && !toldLater) {
        logNotice(cmd->server, name);
    }
    if (isIdle(cmd, directive) && remark(name, IDLE) && !toldLater) {
        logIdle(cmd->server, name);
    }
    const char *problem = set(cmd, directive.field, *settings, value);
    if (problem == nullptr) {
        Origins::note(cmd, directive, *settings);
    }
    if (problem == nullptr && directive.field.grant != nullptr) {
        noteGrant(cmd, directive, *settings, mainSettings());
    }
    return problem;
}

/** @return whether PassengerCtl names `directive` by `name`: max_pool_size is
 *  PassengerMaxPoolSize */
bool isCalled(const Directive &directive, std::string_view name) {
    std::string_view rest = directive.name;
    if (directive.context != Context::GLOBAL || directive.notice != nullptr || directive.field.form == Form::PAIR ||
        !rest.starts_with(PREFIX)) {
        return false;
    }
    rest.remove_prefix(PREFIX.size());
    for (const char letter : name) {
        if (letter == '_') {
            continue;
        }
        if (rest.empty() || std::tolower(static_cast<unsigned char>(rest.front())) != letter) {
            return false;
        }
        rest.remove_prefix(1);
    }
    return rest.empty();
}

/** The value of a pair: Phusion Passenger also takes the truth values of JSON and YAML there. */
const char *withoutSynonyms(const Field &field, const char *value) {
    if (std::holds_alternative<Settings::Flag Settings::*>(field.member)) {
        for (const auto &[on, off] : {std::pair{"true", "false"}, std::pair{"yes", "no"}}) {
            if (strcasecmp(value, on) == 0) {
                return "On";
            }
            if (strcasecmp(value, off) == 0) {
                return "Off";
            }
        }
    }
    return value;
}

/** PassengerCtl. Pairs that name no directive are stored for logNotices(). */
const char *applyPair(cmd_parms *cmd, void *place, const char *first, const char *second) noexcept {
    for (const Directive &directive : TABLE) {
        if (isCalled(directive, first)) {
            remarkPlace(cmd, *static_cast<const Name *>(cmd->cmd->cmd_data));
            Origins::note(cmd, directive, mainSettings());
            // A refusal names the pair.
            command_rec named = *cmd->cmd;
            named.name = apr_pstrcat(cmd->pool, named.name, " ", first, nullptr);
            cmd_parms pair = *cmd;
            pair.cmd = &named;
            return set(&pair, directive.field, mainSettings(), withoutSynonyms(directive.field, second));
        }
    }
    return apply(cmd, place, apr_pstrcat(cmd->pool, first, "=", second, nullptr));
}

constexpr int overridesFor(Context context) {
    return RSRC_CONF | (context == Context::GLOBAL ? 0 : ACCESS_CONF) | (context == Context::LOCAL ? OR_ALL : 0) |
           (context == Context::OPTIONS ? OR_OPTIONS : 0);
}

constexpr auto makeCommands() {
    std::array<command_rec, NAMES.size() + 1> records{};
    for (std::size_t index = 0; index < NAMES.size(); ++index) {
        const Directive &directive = *NAMES[index].directive;
        command_rec &record = records[index];
        record.name = NAMES[index].text;
        record.cmd_data = const_cast<Name *>(&NAMES[index]);
        record.req_override = overridesFor(directive.context);
        record.errmsg = directive.meaning;
        if (directive.field.form == Form::PAIR) {
            record.args_how = TAKE2;
            record.func.take2 = applyPair;
        } else {
            record.args_how = TAKE1;
            record.func.take1 = apply;
        }
    }
    return records;
}

constinit const auto COMMANDS = makeCommands();

/** The members of one type that directives in sections and virtual hosts set. */
template <typename Member> struct Placed {
    /** A directive with a successor sets its member; one with Context::GLOBAL sets the main
     *  server's. */
    static constexpr bool has(const Directive &directive) {
        const Member *member = std::get_if<Member>(&directive.field.member);
        return member != nullptr && *member != nullptr && directive.successor == nullptr &&
               directive.context != Context::GLOBAL;
    }
    static constexpr auto collect() {
        std::array<Member, static_cast<std::size_t>(std::ranges::count_if(TABLE, has))> members{};
        auto next = members.begin();
        for (const Directive &directive : TABLE) {
            if (has(directive)) {
                *next++ = std::get<Member>(directive.field.member);
            }
        }
        return members;
    }
    static constexpr auto MEMBERS = collect();
};

}  // namespace

const command_rec *commands() noexcept {
    return COMMANDS.data();
}

void merge(apr_pool_t *pool, Settings &settings, const Settings &inner) noexcept {
    const auto mergeOne = [&](auto member) {
        if (!(inner.*member).given) {
            return;
        }
        auto &target = (settings.*member).given;
        if constexpr (std::is_same_v<decltype(member), Settings::List Settings::*>) {
            target = target ? apr_array_append(pool, *target, *(inner.*member).given) : (inner.*member).given;
        } else {
            target = (inner.*member).given;
        }
    };
    // Not a loop: with constant offsets, a virtual host's merge is a third of the instructions.
    const auto mergeAll = [&]<typename Member>(Placed<Member> /*type*/) {
        [&]<std::size_t... Index>(std::index_sequence<Index...> /*each*/) {
            (mergeOne(Placed<Member>::MEMBERS[Index]), ...);
        }
        (std::make_index_sequence<Placed<Member>::MEMBERS.size()>());
    };
    mergeAll(Placed<Settings::Text Settings::*>());
    mergeAll(Placed<Settings::Number Settings::*>());
    mergeAll(Placed<Settings::Flag Settings::*>());
    mergeAll(Placed<Settings::List Settings::*>());
}

void forgetNotices() noexcept {
    for (auto &one : remarks) {
        one.store(0, std::memory_order_relaxed);
    }
}

void logNotices(const server_rec *server) noexcept {
    for (const char *pair : Settings::items(mainSettings().ctl)) {
        const bool isHook = std::string_view(pair).starts_with("hook_");
        ap_log_error(APLOG_MARK, APLOG_NOTICE | APLOG_STARTUP, 0, server, "PassengerCtl \"%s\" has no effect: %s", pair,
                     isHook ? "PassengerOnEvent runs a program at an event" : "there is no setting with this name");
    }
    for (std::size_t index = 0; index < NAMES.size(); ++index) {
        const Name &name = NAMES[index];
        const unsigned what = remarks[index].load(std::memory_order_relaxed);
        if ((what & USED) != 0) {
            logNotice(server, name);
        }
        if ((what & IDLE) != 0) {
            logIdle(server, name);
        }
        if ((what & MISPLACED) != 0) {
            ap_log_error(APLOG_MARK, APLOG_WARNING | APLOG_STARTUP, 0, server,
                         "%s is for the whole server: move it out of <VirtualHost>", name.text);
        }
    }
}

}  // namespace Passenger::Directives
