#include "spawning/Secrets.h"

#include <algorithm>
#include <cctype>

namespace Passenger {

namespace {

/** Shorter values also occur in texts by chance. */
constexpr std::size_t SHORTEST_VALUE = 6;
/** The longest URL part that is searched for a password. */
constexpr std::size_t LONGEST_AUTHORITY = 1024;
/** A URL's user name of this length or more is a token. */
constexpr std::size_t SHORTEST_TOKEN = 20;
/** The longest name of a hash's key. */
constexpr std::size_t LONGEST_NAME = 64;

/** A name that contains one of these looks secret. */
constexpr std::string_view SECRET_PARTS[] = {"SECRET",    "TOKEN",      "PASSWORD", "PASSWD",  "PASSPHRASE",
                                             "PASSCODE",  "CREDENTIAL", "APIKEY",   "PRIVATE", "SIGNATURE",
                                             "MASTERKEY", "ACCESSKEY",  "SSHKEY"};
/** A name with one of these as a word looks secret. */
constexpr std::string_view SECRET_WORDS[] = {"KEY", "KEYS", "PASS", "SALT", "PEPPER", "PIN", "DSN", "PWD", "AUTH"};
/** Names that match the rules above but hold no secret. */
constexpr std::string_view HARMLESS[] = {"PWD", "OLDPWD", "BUNDLER_ORIG_PWD"};

template <typename List> bool contains(const List &list, std::string_view text) {
    return std::find(std::begin(list), std::end(list), text) != std::end(list);
}

std::string upperCase(std::string_view text) {
    std::string result(text);
    std::transform(result.begin(), result.end(), result.begin(), [](unsigned char c) { return std::toupper(c); });
    return result;
}

bool hasSecretWord(std::string_view name) {
    for (std::size_t start = 0; start < name.size();) {
        const std::size_t end = std::min(name.find_first_of("_-.", start), name.size());
        if (contains(SECRET_WORDS, name.substr(start, end - start))) {
            return true;
        }
        start = end + 1;
    }
    return false;
}

void replaceAll(std::string &text, const std::string &what) {
    const std::string_view hidden = Secrets::HIDDEN;
    for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + hidden.size())) {
        text.replace(at, what.size(), hidden);
    }
}

/**
 * Finds the password in `scheme://user:password@host…`, or a token in the place of the user's name.
 * @param url the part after `//`
 * @return empty if there is neither
 */
std::string_view passwordIn(std::string_view url) {
    std::string_view authority = url.substr(0, url.find_first_of("/?#"));
    const auto colon = authority.find(':');
    if (colon != std::string_view::npos &&
        authority.find_first_not_of("0123456789", colon + 1) != std::string_view::npos &&
        authority.find('@') == std::string_view::npos) {
        // Not a port: the password itself contains one of these characters.
        authority = url;
    }
    const auto host = authority.rfind('@');
    if (host == std::string_view::npos) {
        return {};
    }
    if (colon < host) {
        return authority.substr(colon + 1, host - colon - 1);
    }
    return host >= SHORTEST_TOKEN ? authority.substr(0, host) : std::string_view();
}

/**
 * Calls `found` with the position and size of each password in a URL. `found` may change the text
 * from that position on.
 */
template <typename Found> void eachUrlPassword(const std::string &text, Found found) {
    constexpr std::string_view marker = "://";
    for (auto at = text.find(marker); at != std::string::npos; at = text.find(marker, at)) {
        at += marker.size();
        const std::string_view rest = std::string_view(text).substr(at, LONGEST_AUTHORITY);
        const std::string_view password = passwordIn(rest.substr(0, rest.find_first_of(" \t\r\n\"'<>")));
        if (!password.empty()) {
            found(static_cast<std::size_t>(password.data() - text.data()), password.size());
        }
    }
}

void hideUrlPasswords(std::string &text) {
    eachUrlPassword(text, [&](std::size_t at, std::size_t size) { text.replace(at, size, Secrets::HIDDEN); });
}

/**
 * The name of a hash's key that ends before `end`: `"password": `, `:password=>`, `password = `.
 * Empty if there is no such key.
 */
std::string_view nameBefore(std::string_view text, std::size_t end) {
    text = text.substr(0, end);
    const auto trim = [&](std::string_view what) {
        const auto last = text.find_last_not_of(what);
        text = text.substr(0, last == std::string_view::npos ? 0 : last + 1);
    };
    trim(" ");
    if (text.ends_with("=>")) {
        text.remove_suffix(2);
    } else if (text.ends_with(':') || text.ends_with('=')) {
        text.remove_suffix(1);
    } else {
        return {};
    }
    trim(" \"'");
    const auto begin = text.find_last_of(" \t\r\n\"'{},:;([");
    const std::string_view name = text.substr(begin == std::string_view::npos ? 0 : begin + 1);
    return name.size() <= LONGEST_NAME ? name : std::string_view();
}

/** Hides quoted values after names that look secret, as in JSON and Ruby's hashes. */
void hideNamedValues(std::string &text) {
    for (auto at = text.find('"'); at != std::string::npos; at = text.find('"', at)) {
        const std::string_view name = nameBefore(text, at);
        const auto end = text.find('"', ++at);
        if (!name.empty() && end != std::string::npos && Secrets::looksSecret(name)) {
            text.replace(at, end - at, Secrets::HIDDEN);
            at += std::string_view(Secrets::HIDDEN).size() + 1;
        }
    }
}

}  // namespace

Secrets::Secrets(const Variables &environment) {
    for (const auto &[name, value] : environment) {
        if (value.size() >= SHORTEST_VALUE && looksSecret(name)) {
            values_.push_back(value);
        }
        eachUrlPassword(value, [&, &text = value](std::size_t at, std::size_t size) {
            if (size >= SHORTEST_VALUE) {
                values_.push_back(text.substr(at, size));
            }
        });
    }
    std::sort(values_.begin(), values_.end(),
              [](const std::string &a, const std::string &b) { return a.size() > b.size(); });
}

bool Secrets::looksSecret(std::string_view name) {
    const std::string upper = upperCase(name);
    if (contains(HARMLESS, upper)) {
        return false;
    }
    // Bundler's variable with credentials for a host: BUNDLE_GEMS__EXAMPLE__COM.
    const bool bundlers = upper.starts_with("BUNDLE_") && upper.find("__") != std::string::npos;
    return bundlers || hasSecretWord(upper) ||
           std::any_of(std::begin(SECRET_PARTS), std::end(SECRET_PARTS),
                       [&](std::string_view part) { return upper.find(part) != std::string::npos; });
}

std::string Secrets::shown(std::string_view name, const std::string &value) {
    if (looksSecret(name)) {
        return value.empty() ? "" : HIDDEN;
    }
    std::string result = value;
    hideUrlPasswords(result);
    hideNamedValues(result);
    return result;
}

std::string Secrets::hide(std::string text) const {
    for (const std::string &value : values_) {
        replaceAll(text, value);
    }
    hideUrlPasswords(text);
    hideNamedValues(text);
    return text;
}

}  // namespace Passenger
