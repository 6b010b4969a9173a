#pragma once

#include <array>
#include <chrono>
#include <climits>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "apache2/config/Settings.h"
#include "exchange/Options.h"

namespace Passenger::Directives {

/** Where a directive may stand. */
enum class Context {
    /** The main server, outside of any section. */
    GLOBAL,
    /** Main server, virtual host, Directory, Location. */
    APPLICATION,
    /** The same, and .htaccess. */
    LOCAL,
    /** The same, but .htaccess only where AllowOverride allows Options. */
    OPTIONS
};

/** How a text value is understood. */
enum class Form {
    PLAIN,
    /** A path; relative ones begin at ServerRoot. */
    PATH,
    /** The same, of a file that the agent opens for an application: perhaps with root's rights, so it stands in the configuration only. */
    APP_FILE,
    /** The path of a URL; begins with a slash. */
    URI,
    /** http://… or https://… */
    URL,
    /** One of Field::choices. */
    CHOICE,
    /** Two arguments, kept as `first=second`. */
    PAIR
};

/** One allowed word and what it means. */
struct Choice {
    const char *word;
    const char *meaning;
};

inline constexpr std::array<Choice, 4> SPAWN_METHODS{{
    {"smart", "smart"},
    {"direct", "direct"},
    {"conservative", "direct"},
    {"smart-lv2", "smart"},
}};

inline constexpr std::array<Choice, 5> APP_TYPES{{
    {"rack", "rack"},
    {"ruby", "rack"},
    {"wsgi", "wsgi"},
    {"python", "wsgi"},
    {"node", "node"},
}};

inline constexpr std::array<Choice, 2> CONCURRENCY_MODELS{{
    {"process", "process"},
    {"thread", "thread"},
}};

/** Who reads a setting of an application. Two places whose settings differ in OPTION or DERIVED have Options of their own. */
enum class Reader {
    /** Not said: the build fails for a directive of an application or a request. */
    UNKNOWN,
    /** The pool, as the member of Options that the row names. */
    OPTION,
    /** The pool, as a part of what RequestContext makes of it. */
    DERIVED,
    /** httpd's side alone. */
    HTTPD
};

/** The member of Options that a setting becomes. */
using Option = std::variant<std::monostate, std::string Options::*, unsigned Options::*, bool Options::*,
                            std::chrono::seconds Options::*, std::chrono::milliseconds Options::*>;

/** The member of Settings that a directive sets (null: none), which values it takes, and who reads it. */
struct Field {
    std::variant<Settings::Text Settings::*, Settings::Number Settings::*, Settings::Flag Settings::*,
                 Settings::List Settings::*>
        member;
    Form form = Form::PLAIN;
    int least = 0;
    int most = INT_MAX;
    std::span<const Choice> choices{};
    Reader reader = Reader::UNKNOWN;
    Option option{};

    /** The pool reads it as this member of Options. */
    constexpr Field sets(Option member) const {
        Field copy = *this;
        copy.reader = Reader::OPTION;
        copy.option = member;
        return copy;
    }
    constexpr Field readBy(Reader who) const {
        Field copy = *this;
        copy.reader = who;
        return copy;
    }
};

constexpr Field text(Settings::Text Settings::*member) {
    return {member};
}
constexpr Field path(Settings::Text Settings::*member) {
    return {member, Form::PATH};
}
constexpr Field appFile(Settings::Text Settings::*member) {
    return {member, Form::APP_FILE};
}
constexpr Field choice(Settings::Text Settings::*member, std::span<const Choice> choices) {
    return {member, Form::CHOICE, 0, INT_MAX, choices};
}
constexpr Field number(Settings::Number Settings::*member, int least, int most) {
    return {member, Form::PLAIN, least, most};
}
constexpr Field flag(Settings::Flag Settings::*member) {
    return {member};
}

constexpr Field list(Settings::List Settings::*member, Form form) {
    return {member, form};
}

/** When a directive that is taken has no effect, though other uses of it have, and what its user is told then. */
struct Idle {
    enum class When {
        NEVER,
        /** Its value is Off. */
        OFF,
        /** It stands in <Directory>, <Files> or .htaccess. */
        IN_FOLDERS
    };
    When when = When::NEVER;
    const char *notice = nullptr;
};

/** One directive. */
struct Directive {
    const char *name = nullptr;
    Context context{};
    Field field{};
    const char *fallback = nullptr;
    const char *meaning = nullptr;
    std::array<const char *, 2> aliases{};
    /** Who uses it is told this at httpd's start; null for those that one may use. */
    const char *notice = nullptr;
    /** The directive to use in its place, whose member it sets. */
    const char *successor = nullptr;
    Idle idle{};
};

/** A notice for what is taken and waits for the part that acts on it. */
inline constexpr const char *NOT_YET = "it has no effect yet";

inline constexpr int MANY = 1'000'000;
inline constexpr int LONG_TIME = 365 * 24 * 3600;

}  // namespace Passenger::Directives
