#include "spawning/Secrets.h"

#include <algorithm>
#include <cctype>

namespace Passenger {

namespace {

/** Shorter values also stand in texts by chance. */
constexpr std::size_t SHORTEST_VALUE = 6;
/** A password in a URL is not longer. */
constexpr std::size_t LONGEST_AUTHORITY = 1024;

/** Anywhere in a name. */
constexpr std::string_view SECRET_PARTS[] = {"SECRET",     "TOKEN",  "PASSWORD", "PASSWD",    "PASSPHRASE", "PASSCODE",
                                             "CREDENTIAL", "APIKEY", "PRIVATE",  "SIGNATURE", "MASTERKEY"};
/** As a word of a name. */
constexpr std::string_view SECRET_WORDS[] = {"KEY", "KEYS", "PASS", "SALT", "PEPPER", "PIN", "DSN", "PWD"};
/** They have such words for other reasons. */
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

/** `scheme://user:password@host` without the password. */
void hideUrlPasswords(std::string &text) {
    constexpr std::string_view marker = "://";
    for (auto at = text.find(marker); at != std::string::npos; at = text.find(marker, at)) {
        at += marker.size();
        const std::string_view authority = std::string_view(text).substr(at, LONGEST_AUTHORITY);
        const std::string_view candidate = authority.substr(0, authority.find_first_of("/?# \t\r\n\"'<>"));
        const auto colon = candidate.find(':');
        const auto host = candidate.rfind('@');
        if (colon != std::string_view::npos && host != std::string_view::npos && colon < host) {
            text.replace(at + colon + 1, host - colon - 1, Secrets::HIDDEN);
        }
    }
}

}  // namespace

Secrets::Secrets(const Variables &environment) {
    for (const auto &[name, value] : environment) {
        if (value.size() >= SHORTEST_VALUE && looksSecret(name)) {
            values_.push_back(value);
        }
    }
    std::sort(values_.begin(), values_.end(),
              [](const std::string &a, const std::string &b) { return a.size() > b.size(); });
}

bool Secrets::looksSecret(std::string_view name) {
    const std::string upper = upperCase(name);
    if (contains(HARMLESS, upper)) {
        return false;
    }
    return hasSecretWord(upper) ||
           std::any_of(std::begin(SECRET_PARTS), std::end(SECRET_PARTS),
                       [&](std::string_view part) { return upper.find(part) != std::string::npos; });
}

std::string Secrets::shown(std::string_view name, const std::string &value) {
    if (looksSecret(name)) {
        return value.empty() ? "" : HIDDEN;
    }
    std::string result = value;
    hideUrlPasswords(result);
    return result;
}

std::string Secrets::hide(std::string text) const {
    for (const std::string &value : values_) {
        replaceAll(text, value);
    }
    hideUrlPasswords(text);
    return text;
}

}  // namespace Passenger
