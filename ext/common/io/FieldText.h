#pragma once

#include <chrono>
#include <concepts>
#include <string>

#include "base/Exceptions.h"
#include "base/WholeNumber.h"

namespace Passenger {

/** Values as the texts of frames' fields, and the reverse. */
namespace FieldText {

inline std::string shown(const std::string &value) {
    return value;
}
template <std::integral Number> std::string shown(Number value) {
    return std::to_string(value);
}
template <typename Rep, typename Period> std::string shown(std::chrono::duration<Rep, Period> value) {
    return std::to_string(value.count());
}

/** @param key for the message @throws ProtocolException; the same holds for all */
[[noreturn]] inline void reject(const char *key, const std::string &text) {
    throw ProtocolException(std::string(key) + " cannot be \"" + text + "\"");
}
inline void parse(const char * /*key*/, const std::string &text, std::string &into) {
    into = text;
}
template <std::integral Number> void parse(const char *key, const std::string &text, Number &into) {
    const auto number = wholeNumber<Number>(text);
    if (!number) {
        reject(key, text);
    }
    into = *number;
}
inline void parse(const char *key, const std::string &text, bool &into) {
    if (text != "0" && text != "1") {
        reject(key, text);
    }
    into = text == "1";
}
/** Seconds are limited, so that no sum with them overflows. */
inline void parse(const char *key, const std::string &text, std::chrono::seconds &into) {
    unsigned count = 0;
    parse(key, text, count);
    into = std::chrono::seconds(count);
}
inline void parse(const char *key, const std::string &text, std::chrono::milliseconds &into) {
    std::chrono::milliseconds::rep count = 0;
    parse(key, text, count);
    if (count < 0) {
        reject(key, text);
    }
    into = std::chrono::milliseconds(count);
}

}  // namespace FieldText

}  // namespace Passenger
