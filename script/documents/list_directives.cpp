// Prints the table of directives as JSON. script/document-directives makes doc/CONFIGURATION.md's
// tables of it, and the integration tests try each row. Not installed. Linked with nothing of
// httpd: the table only points at members of Settings and Options.

#include <chrono>
#include <concepts>
#include <cstdio>
#include <map>
#include <set>
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
        case Context::GLOBAL: return "global";
        case Context::APPLICATION: return "application";
        case Context::LOCAL: return "local";
        case Context::OPTIONS: return "options";
    }
    return "";
}

const char *nameOf(Form form) {
    switch (form) {
        case Form::PLAIN: return "text";
        case Form::PATH:
        case Form::APP_FILE:
        case Form::ROOT: return "path";
        case Form::URI: return "uri";
        case Form::URL: return "url";
        case Form::COOKIE_NAME: return "cookie-name";
        case Form::CALLABLE: return "callable";
        case Form::ADDRESS: return "address";
        case Form::WARM_UP: return "warm-up";
        case Form::TIME: return "time";
        case Form::SECONDS: return "seconds";
        case Form::MEMORY: return "memory";
        case Form::BYTES: return "bytes";
        case Form::CHOICE: return "choice";
        case Form::FAIRNESS: return "fairness";
        case Form::LOG: return "log";
        case Form::PAIR: return "pair";
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
std::string shown(std::integral auto number) {
    return std::to_string(number);
}
std::string shown(std::chrono::milliseconds time) {
    return std::to_string(time.count() / 1000) + (time.count() % 1000 != 0 ? ".…" : "");
}
std::string shown(const std::string &text) {
    return text.empty() ? "none" : text;
}
std::string shown(const char *text) {
    return text == nullptr ? "none" : text;
}

using Values = std::set<std::string>;

/** The class that has the member. */
template <typename T, typename Value> T ownerOf(Value T::*);

/** Adds the value in force without any configuration, as httpd's side and as its reader has it. */
void addDefaults(Values &values, const Field &field) {
    std::visit(
        [&](auto target, auto member) {
            if constexpr (!std::is_same_v<decltype(target), std::monostate>) {
                values.insert(shown(decltype(ownerOf(target))().*target));
            }
            if constexpr (!std::is_same_v<decltype(member), Settings::List Settings::*>) {
                const bool isRead = field.reader == Reader::HTTPD || field.reader == Reader::DERIVED;
                if (member != nullptr && (isRead || (Settings().*member).fallback)) {
                    values.insert(shown((Settings().*member).fallback));
                }
            }
        },
        field.target, field.member);
}

/** The values in force without any configuration, of each part of the program that has one. A test
 *  compares them with the table's text. */
std::map<std::string_view, Values> inForce() {
    const Passenger::Options options;
    const Passenger::AgentSettings agent;
    std::map<std::string_view, Values> values{
        {"PassengerDefaultRuby", {options.ruby}},
        {"PassengerDefaultUser", {options.defaultUser}},
        {"PassengerUserSwitching", {shown(options.userSwitching)}},
        {"PassengerSeccomp", {agent.toMap().at("seccomp")}},
        {"PassengerDisableLogPrefix", {shown(!agent.logPrefix)}},
        {"PassengerAppEnv", {agent.environment}},
        {"PassengerThreadCount", {shown(options.threads)}},
        {"PassengerPriority", {nameOf(options.request.priority)}},
        {"PassengerMemoryBudget", {shown(agent.memoryBudget)}},
    };
    for (const Directive &directive : TABLE) {
        addDefaults(values[directive.name], directive.field);
    }
    return values;
}

/** All of them, if they differ. Null: there is none. */
Json shown(const Values &values) {
    std::string text;
    for (const std::string &value : values) {
        text += (text.empty() ? "" : " and ") + value;
    }
    return text.empty() ? Json() : Json(text);
}

/** @return whether toMap() carries the target to the agent */
bool travels(const Directive &directive) {
    return std::visit(
        [](auto target) {
            if constexpr (std::is_same_v<decltype(target), std::monostate>) {
                return true;
            } else {
                using Owner = decltype(ownerOf(target));
                using Value = std::remove_cvref_t<decltype(std::declval<Owner>().*target)>;
                Owner sent;
                if constexpr (std::is_same_v<Value, std::string>) {
                    sent.*target = "changed";
                } else if constexpr (std::is_same_v<Value, bool>) {
                    sent.*target = !(sent.*target);
                } else {
                    sent.*target = Value(4711);
                }
                return Owner::fromMap(sent.toMap()).*target == sent.*target;
            }
        },
        directive.field.target);
}

Json orNull(const char *text) {
    return text != nullptr ? Json(text) : Json();
}

Json rowOf(const Directive &directive, const Values &values) {
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
             {"in_force", shown(values)},
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
        rows.push_back(rowOf(directive, values.at(directive.name)));
    }
    std::puts(rows.dump().c_str());
    return 0;
}
