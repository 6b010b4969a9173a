#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/Report.h"

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
     * Passwords in URLs and quoted secret values are hidden too. The time is short whatever the
     * application has written: of a longer text than LONGEST_TEXT, the beginning or the end is
     * taken. If the environment has more secrets than MOST_VALUES, the whole text is hidden.
     * @param keep the part that the report keeps
     */
    std::string hide(std::string_view text, Report::Keep keep = Report::Keep::BEGINNING) const;

private:
    static constexpr std::size_t LONGEST_TEXT = 64 * 1024;
    static_assert(LONGEST_TEXT >= 2 * Report::MAX_PART);
    static constexpr std::size_t MOST_VALUES = 500;

    std::vector<std::string> values_;
};

}  // namespace Passenger
