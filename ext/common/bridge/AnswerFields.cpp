#include "bridge/AnswerFields.h"

#include <algorithm>
#include <charconv>
#include <system_error>

#include "base/HttpText.h"
#include "base/Split.h"

namespace Passenger::Bridge {

namespace {

constexpr std::size_t MOST_FIELDS = 2000;
// Most answers have no more.
constexpr std::size_t USUAL_FIELDS = 16;
constexpr std::size_t USUAL_LINES = 512;

/** Whether the text of the field is the length that http_parser read from it. */
bool isLength(std::string_view value, std::uint64_t length) {
    value = HttpText::trim(value);
    while (value.size() > 1 && value.front() == '0') {
        value.remove_prefix(1);
    }
    return length <= INT64_MAX && value == std::to_string(length);
}

}  // namespace

bool AnswerFields::addName(std::string_view part) {
    if (inValue_ || all_.empty()) {
        if (all_.size() == MOST_FIELDS) {
            return false;
        }
        if (all_.empty()) {
            all_.reserve(USUAL_FIELDS);
        }
        all_.emplace_back();
        inValue_ = false;
    }
    all_.back().first += part;
    return true;
}

void AnswerFields::addValue(std::string_view part) {
    inValue_ = true;
    all_.back().second += part;
}

void AnswerFields::clear() noexcept {
    all_.clear();
    inValue_ = false;
}

const char *AnswerFields::problemOfCharacters() const {
    for (const auto &[name, value] : all_) {
        if (!HttpText::isToken(name)) {
            return "a header's name has a character that is not allowed";
        }
        if (!HttpText::isValue(value)) {
            return "a header's value has a control character";
        }
    }
    return nullptr;
}

const char *AnswerFields::problemOfLength(std::uint64_t length) const {
    bool coded = false;
    bool measured = false;
    for (const auto &[name, value] : all_) {
        if (HttpText::equalsIgnoringCase(name, "Transfer-Encoding")) {
            if (coded || !HttpText::equalsIgnoringCase(HttpText::trim(value), "chunked")) {
                return "the answer's body has a transfer coding other than chunked";
            }
            coded = true;
        }
        if (HttpText::equalsIgnoringCase(name, "Content-Length")) {
            if (measured || !isLength(value, length)) {
                return "the answer's Content-Length is not a length";
            }
            measured = true;
        }
    }
    return coded && measured ? "the answer has a Content-Length and a transfer coding" : nullptr;
}

const std::string *AnswerFields::find(std::string_view name) const {
    const auto found = std::find_if(all_.begin(), all_.end(), [name](const auto &field) {
        return HttpText::equalsIgnoringCase(field.first, name);
    });
    return found != all_.end() ? &found->second : nullptr;
}

/** The last of several types counts, as for httpd. */
bool AnswerFields::areOfEventStream() const {
    bool matches = false;
    for (const auto &[name, value] : all_) {
        if (HttpText::equalsIgnoringCase(name, "Content-Encoding") || HttpText::equalsIgnoringCase(name, "Trailer")) {
            return false;
        }
        if (HttpText::equalsIgnoringCase(name, "Content-Type")) {
            const std::string_view type = std::string_view(value).substr(0, value.find(';'));
            matches = HttpText::equalsIgnoringCase(HttpText::trim(type), "text/event-stream");
        }
    }
    return matches;
}

std::chrono::seconds AnswerFields::keepAliveTime() const {
    constexpr std::string_view TIMEOUT = "timeout=";
    for (const auto &[name, value] : all_) {
        if (!HttpText::equalsIgnoringCase(name, "Keep-Alive")) {
            continue;
        }
        for (std::string_view items = value; !items.empty();) {
            const std::string_view text = HttpText::trim(takePiece(items, ','));
            unsigned seconds = 0;
            if (HttpText::equalsIgnoringCase(text.substr(0, TIMEOUT.size()), TIMEOUT) &&
                std::from_chars(text.data() + TIMEOUT.size(), text.data() + text.size(), seconds).ec == std::errc()) {
                return std::chrono::seconds(seconds);
            }
        }
    }
    return std::chrono::seconds(0);
}

/** Whether a Connection field names it: it is for the next hop only (RFC 9110, section 7.6.1). */
bool AnswerFields::isNominated(std::string_view name) const {
    return std::any_of(all_.begin(), all_.end(), [name](const auto &field) {
        return HttpText::equalsIgnoringCase(field.first, "Connection") && HttpText::listHas(field.second, name);
    });
}

std::string AnswerFields::lines(Wanted wanted) const {
    std::string result;
    result.reserve(USUAL_LINES);
    for (const auto &[name, value] : all_) {
        const bool isLength = HttpText::equalsIgnoringCase(name, "Content-Length");
        const bool isTrailer = wanted.trailer && HttpText::equalsIgnoringCase(name, "Trailer");
        if ((HttpText::isHopByHop(name) && !isTrailer) || (isLength ? !wanted.length : isNominated(name))) {
            continue;
        }
        result.append(name).append(": ").append(HttpText::trim(value)).append("\r\n");
    }
    return result;
}

}  // namespace Passenger::Bridge
