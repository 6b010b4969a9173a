#pragma once

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace Passenger::Bridge {

/** The environment of a request, as its message brought it: names and values, in order. Views into that message. */
class RequestFields {
public:
    using Field = std::pair<std::string_view, std::string_view>;

    /** Nothing when it is no list of names and values, each with a NUL behind it. */
    static std::optional<RequestFields> parse(std::string_view environment);

    /** The first value of this name, or an empty one. */
    std::string_view operator[](std::string_view name) const;
    bool has(std::string_view name) const;
    const std::vector<Field> &all() const noexcept {
        return fields_;
    }
    /** All of it, as it came: each name and each value with a NUL behind it. */
    std::string_view text() const noexcept {
        return text_;
    }

private:
    std::string_view text_;
    std::vector<Field> fields_;
};

}  // namespace Passenger::Bridge
