#include "bridge/NodeRange.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <string>
#include <system_error>
#include <utility>

#include "base/HttpText.h"
#include "base/Split.h"

namespace Passenger::Bridge {

namespace {

/** The names of versions with long support, and their major numbers (nodejs.org, "Releases"). */
constexpr std::pair<std::string_view, unsigned> NAMES[] = {
    {"carbon", 8},    {"dubnium", 10}, {"erbium", 12}, {"fermium", 14}, {"gallium", 16},
    {"hydrogen", 18}, {"iron", 20},    {"jod", 22},    {"krypton", 24}, {"lithium", 26}};

/** The numbers of a version, of which the last ones may be missing or `x`. */
struct Partial {
    NodeVersion numbers{0, 0, 0};
    std::size_t given = 0;

    /** The first version that is above all that begin so. */
    NodeVersion above(std::size_t count) const {
        NodeVersion result{~0U, 0, 0};
        if (count > 0) {
            result = numbers;
            result[count - 1]++;
            std::fill(result.begin() + static_cast<std::ptrdiff_t>(count), result.end(), 0U);
        }
        return result;
    }
};

std::optional<Partial> parsePartial(std::string_view text) {
    Partial result;
    if (text.starts_with('v')) {
        text.remove_prefix(1);
    }
    // A build's name and that of a version before a release do not matter here.
    text = text.substr(0, text.find_first_of("-+"));
    while (!text.empty() && result.given < result.numbers.size()) {
        const std::string_view part = takePiece(text, '.');
        if (part == "x" || part == "X" || part == "*") {
            return result;
        }
        const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), result.numbers[result.given]);
        if (error != std::errc() || end != part.data() + part.size() || result.numbers[result.given] > 100'000) {
            return std::nullopt;
        }
        result.given++;
    }
    return text.empty() ? std::optional(result) : std::nullopt;
}

/** The length of the operator at the beginning. */
std::size_t operatorLength(std::string_view comparator) {
    return std::min(comparator.find_first_not_of("<>=^~"), comparator.size());
}

}  // namespace

std::optional<NodeVersion> parseNodeVersion(std::string_view text) {
    const auto partial = parsePartial(text);
    return partial && partial->given == 3 ? std::optional(partial->numbers) : std::nullopt;
}

/** False: the comparator is not understood. */
bool NodeRange::narrow(Span &span, std::string_view comparator) {
    const std::size_t length = operatorLength(comparator);
    const std::string_view sign = comparator.substr(0, length);
    const auto partial = parsePartial(comparator.substr(length));
    if (!partial || (length > 0 && length == comparator.size())) {
        return false;
    }
    const auto atLeast = [&](const NodeVersion &version) { span.from = std::max(span.from, version); };
    const auto below = [&](const NodeVersion &version) { span.before = std::min(span.before, version); };
    const std::size_t given = partial->given;
    if (sign == ">") {
        atLeast(partial->above(given));
    } else if (sign == "<") {
        below(partial->numbers);
    } else if (sign == "<=") {
        below(partial->above(given));
    } else if (sign == ">=") {
        atLeast(partial->numbers);
    } else if (sign == "^") {
        atLeast(partial->numbers);
        // Up to the first number that is not 0.
        std::size_t kept = 1;
        while (kept < given && partial->numbers[kept - 1] == 0) {
            kept++;
        }
        below(partial->above(std::min(kept, given)));
    } else if (sign == "~") {
        atLeast(partial->numbers);
        below(partial->above(std::min<std::size_t>(given, 2)));
    } else if (sign.empty() || sign == "=") {
        atLeast(partial->numbers);
        below(partial->above(given));
    } else {
        return false;
    }
    return true;
}

std::optional<NodeRange::Span> NodeRange::parseAll(std::string_view comparators) {
    Span span;
    std::string pending;
    const auto take = [&] { return pending.empty() || narrow(span, std::exchange(pending, "")); };
    const auto words = [&](auto use) {
        while (!(comparators = HttpText::trim(comparators)).empty()) {
            const auto end = std::min(comparators.find_first_of(" \t"), comparators.size());
            if (!use(comparators.substr(0, end))) {
                return false;
            }
            comparators.remove_prefix(end);
        }
        return true;
    };
    bool upTo = false;
    const bool understood = words([&](std::string_view word) {
        if (word == "-") {
            // `18 - 20`: from the one to the other, both included.
            upTo = true;
            pending.insert(0, ">=");
            return take();
        }
        if (upTo) {
            upTo = false;
            return narrow(span, "<=" + std::string(word));
        }
        if (operatorLength(pending) == pending.size() && !pending.empty()) {
            pending += word;
            return true;
        }
        const bool taken = take();
        pending = word;
        return taken;
    });
    return understood && !upTo && take() ? std::optional(span) : std::nullopt;
}

std::optional<NodeRange> NodeRange::parse(std::string_view text) {
    NodeRange range;
    text = HttpText::trim(text);
    if (text.starts_with("lts/")) {
        const std::string_view name = text.substr(4);
        const auto found =
            std::find_if(std::begin(NAMES), std::end(NAMES), [&](const auto &one) { return one.first == name; });
        if (found == std::end(NAMES) && name != "*") {
            return std::nullopt;
        }
        range.longSupport_ = true;
        range.spans_.push_back(name == "*" ? Span{} : Span{{found->second, 0, 0}, {found->second + 1, 0, 0}});
        return range;
    }
    if (text.empty() || text == "node" || text == "stable" || text == "latest" || text == "current") {
        range.spans_.emplace_back();
        return range;
    }
    for (;;) {
        const auto end = text.find("||");
        const auto span = parseAll(text.substr(0, end));
        if (!span) {
            return std::nullopt;
        }
        range.spans_.push_back(*span);
        if (end == std::string_view::npos) {
            return range;
        }
        text.remove_prefix(end + 2);
    }
}

bool NodeRange::allows(const NodeVersion &version) const {
    return (!longSupport_ || version[0] % 2 == 0) && std::any_of(spans_.begin(), spans_.end(), [&](const Span &span) {
               return version >= span.from && version < span.before;
           });
}

}  // namespace Passenger::Bridge
