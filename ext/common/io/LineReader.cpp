#include "io/LineReader.h"

#include <utility>

namespace Passenger {

namespace {

std::string_view withoutCarriageReturn(std::string_view line) {
    if (line.ends_with('\r')) {
        line.remove_suffix(1);
    }
    return line;
}

}  // namespace

void LineReader::feed(std::string_view bytes, const LineCallback &callback) {
    while (!bytes.empty()) {
        const auto end = bytes.find('\n');
        const bool complete = end != std::string_view::npos;
        partial_ += bytes.substr(0, end);
        bytes.remove_prefix(complete ? end + 1 : bytes.size());
        cut(callback);
        if (complete) {
            // Moved out of the member first: if the callback throws, the line is not repeated.
            const std::string line = std::exchange(partial_, {});
            callback(withoutCarriageReturn(line));
        }
    }
}

void LineReader::finish(const LineCallback &callback) {
    if (!partial_.empty()) {
        const std::string line = std::exchange(partial_, {});
        callback(withoutCarriageReturn(line));
    }
}

/** Leaves at most MAX_LINE bytes, plus a CR that may be part of a line break. */
void LineReader::cut(const LineCallback &callback) {
    while (partial_.size() > MAX_LINE && !(partial_.size() == MAX_LINE + 1 && partial_.back() == '\r')) {
        const std::string line = partial_.substr(0, MAX_LINE);
        partial_.erase(0, MAX_LINE);
        callback(line);
    }
}

}  // namespace Passenger
