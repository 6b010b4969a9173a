#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace Passenger {

/**
 * Keeps secrets of a process's environment out of what people are shown. Which variables hold one is judged by their names; passwords in
 * URLs, and quoted values behind names that look secret (JSON, Ruby's hashes), are found in any text. Never changes; thread-safe.
 */
class Secrets {
public:
    using Variables = std::map<std::string, std::string>;

    static constexpr const char *HIDDEN = "[hidden]";

    explicit Secrets(const Variables &environment);

    /** Whether a variable of this name likely holds a secret: API_KEY, SECRET_KEY_BASE, DB_PASS, … */
    static bool looksSecret(std::string_view name);
    /** What may be shown of a variable. */
    static std::string shown(std::string_view name, const std::string &value);
    /** `text` without the values of secret variables and the passwords of URLs in variables, wherever they stand, and without what is found in any text. */
    std::string hide(std::string text) const;

private:
    /** Longest first, since one may be a part of another. */
    std::vector<std::string> values_;
};

}  // namespace Passenger
