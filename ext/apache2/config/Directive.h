#pragma once

#include <array>
#include <chrono>
#include <climits>
#include <span>
#include <string>
#include <type_traits>
#include <variant>

#include "apache2/config/Settings.h"
#include "exchange/Options.h"
#include "exchange/Priority.h"
#include "io/AgentSettings.h"

namespace Passenger::Directives {

/** Where a directive may stand. */
enum class Context {
    /** The main server, outside of any section. */
    GLOBAL,
    /** Main server, virtual host, Directory, Location. */
    APPLICATION,
    /** The places of APPLICATION, and .htaccess. */
    LOCAL,
    /** The places of LOCAL; .htaccess only if AllowOverride allows Options. */
    OPTIONS
};

enum class Form {
    PLAIN,
    /** A path; a relative path begins at ServerRoot. */
    PATH,
    /** A PATH that the agent opens for an application, perhaps as root. So .htaccess may not set
     *  it. */
    APP_FILE,
    /** A PATH that is ignored if it belongs to Phusion Passenger (Settings::foreignRoot). */
    ROOT,
    /** The path of a URL, which begins with a slash. */
    URI,
    /** http://… or https://… */
    URL,
    /** The name of a cookie (RFC 6265, cookie-name). */
    COOKIE_NAME,
    /** A name in a Python module, perhaps with that module: `app`, `wiki.web:app`. */
    CALLABLE,
    /** An IP address. */
    ADDRESS,
    /** A request of class WarmUp. */
    WARM_UP,
    /** A number with a unit, as httpd's Timeout has it: ms, s (the default), min, h. Stored in
     *  milliseconds. */
    TIME,
    /** A number of whole seconds, with the units of TIME. Stored in seconds. */
    SECONDS,
    /** A whole number with a unit: K, M (the default), G. Stored in MB. */
    MEMORY,
    /** A whole number with the units of MEMORY; the default is bytes. Stored in bytes. */
    BYTES,
    /** One of Field::choices. */
    CHOICE,
    /** A FairnessSource. */
    FAIRNESS,
    /** A PATH, a command after `|`, or a LogTarget. */
    LOG,
    /** Two arguments, stored as `first=second`. */
    PAIR
};

/** An allowed word and the value that it stands for: itself, unless another one is given. */
struct Choice {
    constexpr Choice(const char *allowed) noexcept : Choice(allowed, allowed) {}
    constexpr Choice(const char *allowed, const char *value) noexcept : word(allowed), meaning(value) {}

    const char *word;
    const char *meaning;
};

inline constexpr auto SPAWN_METHODS =
    std::to_array<Choice>({"smart", "direct", {"conservative", "direct"}, {"smart-lv2", "smart"}});
inline constexpr auto APP_TYPES = std::to_array<Choice>(
    {"rack", {"ruby", "rack"}, "wsgi", {"python", "wsgi"}, "asgi", "node", {"nodejs", "node"}, {"meteor", "node"}});
inline constexpr auto CONCURRENCY_MODELS = std::to_array<Choice>({"process", "thread"});
inline constexpr auto PRIORITIES =
    std::to_array<Choice>({nameOf(Priority::LOW), nameOf(Priority::NORMAL), nameOf(Priority::HIGH)});
inline constexpr auto SECCOMP_MODES = std::to_array<Choice>({"on", "log", "off"});
inline constexpr auto LOG_FORMATS = std::to_array<Choice>({"text", "json"});

/** The part of the program that reads a setting. Two places whose settings differ in OPTION or
 *  DERIVED have different Options. */
enum class Reader {
    /** Not given: the build fails, unless the directive is obsolete. */
    UNKNOWN,
    /** The agent reads it in AgentSettings, as the member that the row names, or as class
     *  AgentIdentity derives it. */
    AGENT,
    /** The pool reads it, as the member of Options that the row names. */
    OPTION,
    /** The pool reads Options that RequestContext derives from it. */
    DERIVED,
    /** Only httpd's side reads it. */
    HTTPD
};

/** The member of Options or AgentSettings that takes a setting. */
using Target = std::variant<std::monostate, std::string Options::*, unsigned Options::*, bool Options::*,
                            std::chrono::seconds Options::*, std::chrono::milliseconds Options::*,
                            std::string AgentSettings::*, unsigned AgentSettings::*, int AgentSettings::*,
                            bool AgentSettings::*, std::chrono::seconds AgentSettings::*>;

/** The member of Settings that a directive sets (null: none), the values that it accepts, and its
 *  reader. */
struct Field {
    std::variant<Settings::Text Settings::*, Settings::Number Settings::*, Settings::Flag Settings::*,
                 Settings::List Settings::*>
        member;
    Form form = Form::PLAIN;
    int least = 0;
    int most = INT_MAX;
    std::span<const Choice> choices{};
    Reader reader = Reader::UNKNOWN;
    Target target{};
    /** Not null: the agent gets the values that the configuration has, under this key of class
     *  Grants, which says what they decide. */
    const char *grant = nullptr;
    /** The value limits what the application's processes may use: the key `limited` of class
     *  Grants. */
    bool isLimit = false;

    // A row calls these on the field that it makes.
    /** The pool reads the setting as this member of Options, or the agent as this one of
     *  AgentSettings. */
    template <typename T, typename Value> constexpr Field &sets(Value T::*member) {
        target = Target(member);
        return readBy(std::is_same_v<T, Options> ? Reader::OPTION : Reader::AGENT);
    }
    constexpr Field &readBy(Reader who) {
        reader = who;
        return *this;
    }
    constexpr Field &granted(const char *key) {
        grant = key;
        return *this;
    }
    constexpr Field &limiting(const char *key) {
        isLimit = true;
        return granted(key);
    }
};

constexpr Field text(Settings::Text Settings::*member, Form form = Form::PLAIN) {
    return {member, form};
}
constexpr Field choice(Settings::Text Settings::*member, std::span<const Choice> choices) {
    return {member, Form::CHOICE, 0, INT_MAX, choices};
}
constexpr Field number(Settings::Number Settings::*member, int least, int most, Form form = Form::PLAIN) {
    return {member, form, least, most};
}
constexpr Field flag(Settings::Flag Settings::*member) {
    return {member};
}
constexpr Field list(Settings::List Settings::*member, Form form) {
    return {member, form};
}

/** A value of Form::TIME, as the directive takes it. */
inline std::string timeText(int milliseconds) {
    return milliseconds % 1000 == 0 ? std::to_string(milliseconds / 1000) + "s" : std::to_string(milliseconds) + "ms";
}

/** When a directive with an effect has none, and the notice that is then logged. */
struct Idle {
    enum class When {
        NEVER,
        /** The directive stands in <Directory>, <Files> or .htaccess. */
        IN_FOLDERS
    };
    When when = When::NEVER;
    const char *notice = nullptr;
};

struct Directive {
    const char *name = nullptr;
    Context context{};
    Field field{};
    const char *fallback = nullptr;
    const char *meaning = nullptr;
    std::array<const char *, 2> aliases{};
    /** The notice that httpd logs at its start if the directive is used; null for directives that
     *  are not obsolete. */
    const char *notice = nullptr;
    /** The directive that replaces this one, and whose member this one sets. */
    const char *successor = nullptr;
    Idle idle{};
};

inline constexpr int MANY = 1'000'000;
/** Of the kernel, on 64 bits: the largest number in pids.max. */
inline constexpr int MOST_TASKS = 4'194'304;
inline constexpr int LONG_TIME = 365 * 24 * 3600;

}  // namespace Passenger::Directives
