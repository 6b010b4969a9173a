#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace Passenger {

/**
 * Divides a stream of bytes into lines. A line of more than MAX_LINE bytes is divided there. Not
 * thread-safe.
 */
class LineReader {
public:
    static constexpr std::size_t MAX_LINE = 8192;
    using LineCallback = std::function<void(std::string_view line)>;

    /** Calls back for each complete line, without its line break (LF or CR LF). */
    void feed(std::string_view bytes, const LineCallback &callback);
    /** Forgets the line that has begun. */
    void drop() noexcept { partial_.clear(); }
    /** Calls back for a last line without a line break. */
    void finish(const LineCallback &callback);

private:
    void cut(const LineCallback &callback);

    std::string partial_;
};

}  // namespace Passenger
