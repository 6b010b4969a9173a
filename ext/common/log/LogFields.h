#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace Passenger {

/**
 * The fields of a line `event=NAME key=value key="value" …`. compose() escapes each `"` and `\` of
 * a value in quotes, and parse() reverses that: no part of a value becomes a field. A plain value.
 */
struct LogFields {
    struct Field {
        std::string key;
        /** Without quotes, and not escaped. */
        std::string value;
        bool quoted = false;
        /** The field as the line has it. Valid as long as the line. */
        std::string_view raw{};
    };

    std::vector<Field> fields;
    /** What belongs to no field, such as the text of a line `report=NUMBER TEXT`. */
    std::string rest;

    /** Null: the line has no such field. If there are several, the first one. */
    const Field *find(std::string_view key) const noexcept;

    /** The text of a format of fmt. Version 12.2 deprecates the conversion, and 9 has no get(). */
    template <typename Format> static fmt::string_view textOf(const Format &format) {
        if constexpr (requires { format.get(); }) {
            return format.get();
        } else {
            return format;
        }
    }
    /**
     * The line of a format and its arguments.
     * @param format of fmt; its replacement fields have neither a number nor a name. Between quotes
     *     an argument is escaped
     */
    static std::string compose(fmt::string_view format, fmt::format_args args);
    /** A line that begins with neither `event=` nor `report=` has no fields. If a line begins with
     *  `report=`, only the number is a field: an application may have written the rest. */
    static LogFields parse(std::string_view line);
};

}  // namespace Passenger
