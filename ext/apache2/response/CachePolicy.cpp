#include "apache2/response/CachePolicy.h"

#include <algorithm>
#include <array>

#include "base/HttpText.h"
#include "base/Split.h"
#include "base/WholeNumber.h"

namespace Passenger::CachePolicy {

namespace {

using HttpText::equalsIgnoringCase;
using HttpText::trim;
using std::chrono::seconds;

// The "heuristically cacheable" statuses of RFC 9110, without those about a part or a method. Their
// answers must state a lifetime nevertheless.
constexpr std::array<int, 8> STATUSES{200, 203, 204, 300, 301, 308, 404, 410};

// An answer with one of these headers is for one client, or is not the final content. An answer
// with Age is already cached elsewhere.
constexpr std::array<std::string_view, 7> PERSONAL{
    "set-cookie", "set-cookie2", "vary", "www-authenticate", "x-sendfile", "x-accel-redirect", "age",
};

std::optional<long long> number(std::string_view text) {
    const auto value = wholeNumber<long long>(text);
    return value.value_or(-1) >= 0 ? value : std::nullopt;
}

/** The directives of Cache-Control. Of a directive that comes twice the stricter one holds; a
 *  malformed one is as strict as possible. */
struct CacheControl {
    bool forbids = false;
    std::optional<long long> maxAge;
    std::optional<long long> sharedMaxAge;

    void add(std::string_view list) {
        while (!list.empty()) {
            addDirective(trim(takePiece(list, ',')));
        }
    }

private:
    void addDirective(std::string_view directive) {
        const std::size_t equals = directive.find('=');
        const std::string_view name = trim(directive.substr(0, equals));
        const std::string_view value =
            equals == std::string_view::npos ? std::string_view() : trim(directive.substr(equals + 1));
        if (equalsIgnoringCase(name, "private") || equalsIgnoringCase(name, "no-store") ||
            equalsIgnoringCase(name, "no-cache")) {
            forbids = true;
        } else if (equalsIgnoringCase(name, "max-age")) {
            lowerTo(maxAge, value);
        } else if (equalsIgnoringCase(name, "s-maxage")) {
            lowerTo(sharedMaxAge, value);
        }
    }

    static void lowerTo(std::optional<long long> &age, std::string_view value) {
        const long long said = number(value).value_or(0);
        age = age ? std::min(*age, said) : said;
    }
};

int month(std::string_view name) {
    const std::size_t at = std::string_view("JanFebMarAprMayJunJulAugSepOctNovDec").find(name);
    return at == std::string_view::npos || at % 3 != 0 ? -1 : static_cast<int>(at / 3);
}

/** -1: other characters. */
int digits(std::string_view text) {
    const auto value = wholeNumber<unsigned short>(text);
    return value ? *value : -1;
}

}  // namespace

std::optional<std::time_t> parseDate(std::string_view text) noexcept {
    if (text.size() != 29 || text[3] != ',' || text[4] != ' ' || text[7] != ' ' || text[11] != ' ' || text[16] != ' ' ||
        text[19] != ':' || text[22] != ':' || text.substr(25) != " GMT") {
        return std::nullopt;
    }
    std::tm time{};
    time.tm_mday = digits(text.substr(5, 2));
    time.tm_mon = month(text.substr(8, 3));
    time.tm_year = digits(text.substr(12, 4)) - 1900;
    time.tm_hour = digits(text.substr(17, 2));
    time.tm_min = digits(text.substr(20, 2));
    time.tm_sec = digits(text.substr(23, 2));
    if (time.tm_mday < 1 || time.tm_mon < 0 || time.tm_year < 0 || time.tm_hour < 0 || time.tm_min < 0 ||
        time.tm_sec < 0) {
        return std::nullopt;
    }
    return timegm(&time);
}

std::optional<seconds> freshFor(int status, const ResponseHead &head, std::time_t now) {
    if (std::find(STATUSES.begin(), STATUSES.end(), status) == STATUSES.end() || head.closes()) {
        return std::nullopt;
    }
    CacheControl control;
    std::optional<std::string_view> expires;
    std::optional<std::string_view> date;
    for (const ResponseHead::Header &header : head.headers()) {
        const bool personal = std::any_of(PERSONAL.begin(), PERSONAL.end(), [&header](std::string_view name) {
            return equalsIgnoringCase(header.name, name);
        });
        if (personal || (equalsIgnoringCase(header.name, "Pragma") && equalsIgnoringCase(header.value, "no-cache"))) {
            return std::nullopt;
        }
        if (equalsIgnoringCase(header.name, "Cache-Control")) {
            control.add(header.value);
        } else if (equalsIgnoringCase(header.name, "Expires")) {
            // Two Expires headers are contradictory, so both are ignored.
            expires = expires ? std::string_view() : header.value;
        } else if (equalsIgnoringCase(header.name, "Date")) {
            date = header.value;
        }
    }
    std::optional<long long> age = control.sharedMaxAge ? control.sharedMaxAge : control.maxAge;
    if (!age && expires) {
        const std::optional<std::time_t> end = parseDate(*expires);
        const std::time_t made = end && date ? parseDate(*date).value_or(*end) : now;
        age = end ? *end - std::max(made, now) : 0;
    }
    if (control.forbids || !age || *age <= 0) {
        return std::nullopt;
    }
    return seconds(std::min<long long>(*age, LONGEST.count()));
}

}  // namespace Passenger::CachePolicy
