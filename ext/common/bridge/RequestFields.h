#pragma once

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace Passenger::Bridge {

/** The names and values of a request's environment, in order. They are views into its message. */
class RequestFields {
public:
    using Field = std::pair<std::string_view, std::string_view>;

    /** Nothing when `environment` is not a list of names and values that end with a NUL each. */
    static std::optional<RequestFields> parse(std::string_view environment);

    /** The first value of this name, or an empty string. */
    std::string_view operator[](std::string_view name) const;
    bool has(std::string_view name) const;
    const std::vector<Field> &all() const noexcept { return fields_; }

private:
    std::vector<Field> fields_;
};

}  // namespace Passenger::Bridge
