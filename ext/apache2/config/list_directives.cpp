// Prints the table of directives as JSON. script/document-directives makes doc/CONFIGURATION.md's
// tables of it, and the integration tests try each row. Not installed. Linked with nothing of
// httpd: the table only points at members of Settings and Options.

#include <chrono>
#include <cstdio>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include <nlohmann/json.hpp>

#include "apache2/config/DirectiveTable.h"
#include "exchange/Options.h"
#include "io/AgentSettings.h"

namespace {

using namespace Passenger::Directives;
using Passenger::Settings;
using Json = nlohmann::ordered_json;

const char *nameOf(Context context) {
    switch (context) {
        case Context::GLOBAL:
            return "global";
        case Context::APPLICATION:
            return "application";
        case Context::LOCAL:
            return "local";
        case Context::OPTIONS:
            return "options";
    }
    return "";
}

const char *nameOf(Form form) {
    switch (form) {
        case Form::PLAIN:
            return "text";
        case Form::PATH:
        case Form::APP_FILE:
        case Form::ROOT:
            return "path";
        case Form::URI:
            return "uri";
        case Form::URL:
            return "url";
        case Form::COOKIE_NAME:
            return "cookie-name";
        case Form::ADDRESS:
            return "address";
        case Form::WARM_UP:
            return "warm-up";
        case Form::TIME:
            return "time";
        case Form::SECONDS:
            return "seconds";
        case Form::MEMORY:
            return "memory";
        case Form::BYTES:
            return "bytes";
        case Form::CHOICE:
            return "choice";
        case Form::FAIRNESS:
            return "fairness";
        case Form::LOG:
            return "log";
        case Form::PAIR:
            return "pair";
    }
    return "";
}

const char *kindOf(const Field &field) {
    if (std::holds_alternative<Settings::Number Settings::*>(field.member) && field.form == Form::PLAIN) {
        return "number";
    }
    return std::holds_alternative<Settings::Flag Settings::*>(field.member) ? "flag" : nameOf(field.form);
}

std::string shown(bool flag) {
    return flag ? "On" : "Off";
}
std::string shown(int number) {
    return std::to_string(number);
}
std::string shown(unsigned number) {
    return std::to_string(number);
}
std::string shown(std::chrono::milliseconds time) {
    return std::to_string(time.count() / 1000) + (time.count() % 1000 != 0 ? ".…" : "");
}
std::string shown(const std::string &text) {
    return text.empty() ? "none" : text;
}

/** The value that several parts of the program use. If the parts differ, all values. */
template <typename Value> std::string same(std::initializer_list<Value> values) {
    std::string result = shown(*values.begin());
    for (const Value &value : values) {
        if (shown(value) != shown(*values.begin())) {
            result += " and " + shown(value);
        }
    }
    return result;
}

/** The values in force without any configuration, as httpd's side and the agent have them. A test
 *  compares them with the table's text. */
std::map<std::string_view, std::string> inForce() {
    const Settings settings;
    const Passenger::Options options;
    const Passenger::AgentSettings agent;
    std::map<std::string_view, std::string> values{
        {"PassengerDefaultRuby", same<std::string>({settings.defaultRubyOrDefault(), options.ruby, agent.rubyCommand})},
        {"PassengerDefaultUser", same<std::string>({settings.defaultUserOrDefault(), options.defaultUser})},
        {"PassengerUserSwitching", shown(options.userSwitching)},
        {"PassengerSeccomp", same<std::string>({settings.seccompOrDefault(), agent.toMap().at("seccomp")})},
        {"PassengerLogFormat", shown(agent.logFormat)},
        {"PassengerLogLevel", shown(agent.logLevel)},
        {"PassengerDisableLogPrefix", shown(!agent.logPrefix)},
        {"PassengerFileDescriptorLogFile", shown(agent.descriptorLogFile)},
        {"PassengerSocketBacklog", shown(agent.socketBacklog)},
        {"PassengerAgentTimeout", shown(agent.agentTimeout)},
        {"PassengerMaxPoolSize", shown(agent.maxPoolSize)},
        {"PassengerMaxInstancesPerApp", shown(agent.maxInstancesPerApp)},
        {"PassengerPoolIdleTime", shown(agent.poolIdleTime)},
        {"PassengerMaxAppIdleTime", shown(agent.maxAppIdleTime)},
        {"PassengerMaxChildConnections", shown(agent.maxChildConnections)},
        {"PassengerMaxChildChannels", shown(agent.maxChildChannels)},
        {"PassengerMaxChildApps", shown(agent.maxChildApps)},
        {"PassengerStatThrottleRate", shown(agent.statThrottleRate)},
        {"PassengerOnEvent", shown(agent.onEvent)},
        {"PassengerPreStart", shown(agent.preStart)},
        {"PassengerTurbocaching", shown(settings.turbocaches())},
        {"PassengerShowVersionInHeader", shown(settings.showsVersionInHeader())},
        {"PassengerDataBufferDir", settings.dataBufferDirOrDefault()},
        {"PassengerResponseBufferHighWatermark", shown(settings.responseBufferHighWatermarkOrDefault())},
        {"PassengerSpawnDir", shown(agent.spawnDir)},
        {"PassengerResolveSymlinksInDocumentRoot", shown(settings.resolvesSymlinksInDocumentRoot())},
        {"PassengerAppEnv", same<std::string>({settings.appEnvOrDefault(), options.environment, agent.environment})},
        {"PassengerForceMaxConcurrentRequestsPerProcess", shown(settings.maxConcurrentRequestsOrDefault())},
        {"PassengerThreadCount", same<int>({settings.threads(), static_cast<int>(options.threads)})},
        {"PassengerEnabled", shown(settings.isEnabled())},
        {"PassengerHighPerformance", shown(settings.isHighPerformance())},
        {"PassengerBufferUpload", shown(settings.buffersUpload())},
        {"PassengerBufferResponse", shown(settings.buffersResponse())},
        {"PassengerErrorOverride", shown(settings.overridesErrors())},
        {"PassengerAllowEncodedSlashes", shown(settings.allowsEncodedSlashes())},
        {"PassengerAnswerFiles", shown(settings.takesAnswerFiles())},
        {"PassengerTransferConnections", shown(settings.transfersConnections())},
        {"PassengerServerTiming", shown(settings.tellsServerTiming())},
        {"PassengerRequestStart", shown(settings.tellsRequestStart())},
        {"PassengerStatusDetails", shown(settings.showsStatusDetails())},
        {"PassengerRequestQueueOverflowStatusCode", shown(settings.requestQueueOverflowStatusCodeOrDefault())},
        {"PassengerHealthQueueAge", shown(settings.healthQueueAgeOrDefault())},
        {"PassengerStickySessions", same<bool>({settings.hasStickySessions(), options.stickySessions})},
        {"PassengerPriority",
         same<std::string>({nameOf(settings.requestPriority()), nameOf(options.request.priority)})},
        {"PassengerFairnessKey", settings.fairnessKeyOrDefault()},
        {"PassengerStickySessionsCookieName", settings.stickySessionsCookieNameOrDefault()},
        {"PassengerStickySessionsCookieAttributes", settings.stickySessionsCookieAttributesOrDefault()},
    };
    values["PassengerMemoryBudget"] = same<unsigned>({options.memoryBudget, agent.memoryBudget});
    for (const Directive &directive : TABLE) {
        std::visit(
            [&](auto option) {
                if constexpr (!std::is_same_v<decltype(option), std::monostate>) {
                    values.try_emplace(directive.name, shown(options.*option));
                }
            },
            directive.field.option);
    }
    return values;
}

/** @return whether Options::toMap() carries the option to the agent */
bool travels(const Directive &directive) {
    return std::visit(
        [](auto option) {
            if constexpr (std::is_same_v<decltype(option), std::monostate>) {
                return true;
            } else {
                using Value = std::remove_cvref_t<decltype(std::declval<Passenger::Options>().*option)>;
                Passenger::Options options;
                if constexpr (std::is_same_v<Value, std::string>) {
                    options.*option = "changed";
                } else if constexpr (std::is_same_v<Value, bool>) {
                    options.*option = !(options.*option);
                } else {
                    options.*option = Value(4711);
                }
                return Passenger::Options::fromMap(options.toMap()).*option == options.*option;
            }
        },
        directive.field.option);
}

Json orNull(const char *text) {
    return text != nullptr ? Json(text) : Json();
}

Json rowOf(const Directive &directive, const std::map<std::string_view, std::string> &values) {
    const auto value = values.find(directive.name);
    const Field &field = directive.field;
    Json row{{"name", directive.name},
             {"context", nameOf(directive.context)},
             {"kind", kindOf(field)},
             {"default", directive.fallback},
             {"meaning", directive.meaning},
             {"list", std::holds_alternative<Settings::List Settings::*>(field.member)},
             {"least", field.least},
             {"most", field.most},
             {"choices", Json::array()},
             {"aliases", Json::array()},
             {"in_force", value != values.end() ? Json(value->second) : Json()},
             {"travels", travels(directive)},
             {"notice", orNull(directive.notice)},
             {"successor", orNull(directive.successor)}};
    for (const Choice &choice : field.choices) {
        row["choices"].push_back(choice.word);
    }
    for (const char *alias : directive.aliases) {
        if (alias != nullptr) {
            row["aliases"].push_back(alias);
        }
    }
    return row;
}

}  // namespace

// httpd's headers refer to this symbol in each file that logs. Nothing reads it here, and only a
// build without optimisation needs it.
extern "C" {
extern module passenger_module;
module passenger_module = {};
}

int main() {
    const auto values = inForce();
    Json rows = Json::array();
    for (const Directive &directive : TABLE) {
        rows.push_back(rowOf(directive, values));
    }
    std::puts(rows.dump().c_str());
    return 0;
}
