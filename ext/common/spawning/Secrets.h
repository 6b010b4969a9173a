#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace Passenger {

/**
 * Hides secrets of a process's environment in texts for people. A variable's name shows whether it
 * holds a secret. In any text it also hides passwords in URLs, and quoted values after names that
 * look secret (JSON, Ruby's hashes). Immutable; thread-safe.
 */
class Secrets {
public:
    using Variables = std::map<std::string, std::string>;

    static constexpr const char *HIDDEN = "[hidden]";

    explicit Secrets(const Variables &environment);

    /**
     * Whether a variable of this name likely holds a secret: API_KEY, SECRET_KEY_BASE, DB_PASS, …
     */
    static bool looksSecret(std::string_view name);
    /** The printable form of a variable's value. */
    static std::string shown(std::string_view name, const std::string &value);
    /**
     * `text` without the values of secret variables and the passwords of URLs in variables.
     * Passwords in URLs and quoted secret values are hidden too.
     */
    std::string hide(std::string text) const;

private:
    /** Longest first, since one value may be part of another. */
    std::vector<std::string> values_;
};

}  // namespace Passenger
