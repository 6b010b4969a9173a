#include "spawning/Secrets.h"

#include <algorithm>
#include <cctype>
#include <cstring>

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

/** Which bytes of a text belong to secrets. */
class Marks {
public:
    explicit Marks(std::string_view text) : text_(text), secret_(text.size()) {}

    void add(std::size_t at, std::size_t size) {
        std::fill_n(secret_.begin() + static_cast<std::ptrdiff_t>(at), size, true);
    }
    /** The text with a placeholder for each run of marked bytes. */
    std::string shown() const {
        std::string result;
        for (std::size_t at = 0; at < text_.size(); at++) {
            if (!secret_[at]) {
                result += text_[at];
            } else if (at == 0 || !secret_[at - 1]) {
                result += Secrets::HIDDEN;
            }
        }
        return result;
    }

private:
    const std::string_view text_;
    std::vector<bool> secret_;
};

/** memmem() takes linear time, whatever the application has chosen as value and text. */
void markAll(Marks &marks, std::string_view text, std::string_view value) {
    std::size_t from = 0;
    while (const void *const found = ::memmem(text.data() + from, text.size() - from, value.data(), value.size())) {
        const auto at = static_cast<std::size_t>(static_cast<const char *>(found) - text.data());
        marks.add(at, value.size());
        from = at + value.size();
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

/** Calls `found` with the position and size of each password in a URL. */
template <typename Found> void eachUrlPassword(std::string_view text, Found found) {
    constexpr std::string_view marker = "://";
    std::size_t wordEnd = 0;
    for (auto at = text.find(marker); at != std::string_view::npos; at = text.find(marker, at)) {
        at += marker.size();
        if (at > wordEnd) {
            wordEnd = std::min(text.find_first_of(" \t\r\n\"'<>", at), text.size());
        }
        const std::string_view password = passwordIn(text.substr(at, std::min(wordEnd - at, LONGEST_AUTHORITY)));
        if (!password.empty()) {
            found(static_cast<std::size_t>(password.data() - text.data()), password.size());
        }
    }
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

/** Marks passwords in URLs, and quoted values after names that look secret. */
void markUsual(Marks &marks, std::string_view text) {
    eachUrlPassword(text, [&](std::size_t at, std::size_t size) { marks.add(at, size); });
    for (auto at = text.find('"'); at != std::string_view::npos; at = text.find('"', at)) {
        const std::string_view name = nameBefore(text, at);
        const auto end = text.find('"', ++at);
        if (!name.empty() && end != std::string_view::npos && Secrets::looksSecret(name)) {
            marks.add(at, end - at);
            at = end + 1;
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
    std::sort(values_.begin(), values_.end());
    values_.erase(std::unique(values_.begin(), values_.end()), values_.end());
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
    Marks marks(value);
    markUsual(marks, value);
    return marks.shown();
}

std::string Secrets::hide(std::string_view text, Report::Keep keep) const {
    const bool cut = text.size() > LONGEST_TEXT;
    const bool keepsEnd = keep == Report::Keep::END;
    if (cut) {
        text = keepsEnd ? text.substr(text.size() - LONGEST_TEXT) : text.substr(0, LONGEST_TEXT);
    }
    if (values_.size() > MOST_VALUES) {
        return text.empty() ? "" : HIDDEN;
    }
    Marks marks(text);
    if (cut && !values_.empty()) {
        // The rest of a secret that was cut.
        const std::size_t rest = std::min(text.size(), std::ranges::max(values_, {}, &std::string::size).size() - 1);
        marks.add(keepsEnd ? 0 : text.size() - rest, rest);
    }
    for (const std::string &value : values_) {
        markAll(marks, text, value);
    }
    markUsual(marks, text);
    return marks.shown();
}

}  // namespace Passenger
