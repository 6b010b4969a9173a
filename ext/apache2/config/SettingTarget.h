#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <string>
#include <type_traits>
#include <variant>

#include "apache2/config/DirectiveTable.h"

/** How a value of the configuration becomes one of Options or AgentSettings: Field::target takes
 *  it. */
namespace Passenger::Directives {

inline void assign(std::string &target, const char *given, Form /*form*/) {
    target = given;
}
inline void assign(std::string &target, const apr_array_header_t *given, Form /*form*/) {
    target = Settings::lines(given);
}
template <typename Same> void assign(Same &target, const std::same_as<Same> auto &given, Form /*form*/) {
    target = given;
}
inline void assign(unsigned &target, const std::same_as<int> auto &given, Form /*form*/) {
    target = static_cast<unsigned>(given);
}
template <typename Unit>
void assign(std::chrono::duration<std::int64_t, Unit> &target, const std::same_as<int> auto &given, Form form) {
    const std::chrono::milliseconds time =
        form == Form::TIME ? std::chrono::milliseconds(given) : std::chrono::seconds(given);
    target = std::chrono::duration_cast<std::chrono::duration<std::int64_t, Unit>>(time);
}

/** False if the target is a member of another class than T, or of none. */
template <typename T, typename Target, typename Member>
constexpr bool CAN_ASSIGN = requires(T taker, const Settings settings, Target target, Member member) {
    assign(taker.*target, (settings.*member).fallback, Form::PLAIN);
};

constexpr bool takesForm(std::monostate /*target*/, Form /*form*/) {
    return true;
}
/** A time has a duration as its target, and milliseconds are not rounded. */
template <typename T, typename Value> constexpr bool takesForm(Value T::* /*target*/, Form form) {
    constexpr bool isMilliseconds = std::is_same_v<Value, std::chrono::milliseconds>;
    return isMilliseconds ||
           (form != Form::TIME && (form != Form::SECONDS || std::is_same_v<Value, std::chrono::seconds>));
}

constexpr bool suits(const Field &field) {
    return std::visit(
        [&field](auto target, auto member) {
            using Target = decltype(target);
            using Member = decltype(member);
            if (!takesForm(target, field.form)) {
                return false;
            }
            switch (field.reader) {
                case Reader::OPTION: return CAN_ASSIGN<Options, Target, Member>;
                case Reader::AGENT:
                    return std::is_same_v<Target, std::monostate> || CAN_ASSIGN<AgentSettings, Target, Member>;
                default: return std::is_same_v<Target, std::monostate>;
            }
        },
        field.target, field.member);
}
static_assert(std::ranges::all_of(TABLE, suits, &Directive::field),
              "a directive's value has no target of its type in what its reader takes");

/** `taker` keeps its own value for a directive that the configuration does not have. */
template <typename T> void take(T &taker, const Field &field, const Settings &settings) {
    std::visit(
        [&](auto target, auto member) {
            if constexpr (CAN_ASSIGN<T, decltype(target), decltype(member)>) {
                if ((settings.*member).given) {
                    assign(taker.*target, *(settings.*member).given, field.form);
                }
            }
        },
        field.target, field.member);
}

}  // namespace Passenger::Directives
