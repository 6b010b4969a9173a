#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace Passenger {

/** Cuts a stream of bytes into lines. A line of more than MAX_LINE bytes is cut there. Not thread-safe. */
class LineReader {
public:
    static constexpr std::size_t MAX_LINE = 8192;
    using LineCallback = std::function<void(std::string_view line)>;

    /** Calls back for each line that is complete now, without its line break (nor a CR before it). */
    void feed(std::string_view bytes, const LineCallback &callback);
    /** Calls back for what is left without a line break. */
    void finish(const LineCallback &callback);

private:
    void cut(const LineCallback &callback);

    std::string partial_;
};

}  // namespace Passenger
