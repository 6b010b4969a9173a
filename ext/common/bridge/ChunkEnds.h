#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace Passenger::Bridge {

/**
 * Checks that each chunk of a body stands between line ends (RFC 9112, section 7.1). http_parser,
 * as distributions build it, takes any two bytes for the line end behind a chunk, and any byte for
 * the second one of the line end before it. So the length of the chunk could be wrong.
 *
 * Not thread-safe. After problem() it is not used.
 */
class ChunkEnds {
public:
    /** http_parser gets these bytes next. They stay until it has read them. False: problem(). */
    bool feed(std::string_view bytes);
    /** The size of a chunk has come. 0: it is the last one, which has no bytes. */
    void begin(std::uint64_t size) noexcept;
    /** Bytes of the chunk, a part of those that were fed. False: problem(). */
    bool add(std::string_view part);
    /** Why the chunk is none, or null. */
    const char *problem() const noexcept { return problem_; }

private:
    bool end(std::string_view bytes);

    std::string_view fed_;
    /** The last byte of fed_, and of what was fed before. */
    char last_ = 0;
    char lastBefore_ = 0;
    /** Bytes of the present chunk that are still to come. */
    std::uint64_t left_ = 0;
    /** No byte of the present chunk has come yet. */
    bool begins_ = false;
    /** How many bytes of the line end behind the chunk are still to come. */
    std::size_t endLeft_ = 0;
    const char *problem_ = nullptr;
};

}  // namespace Passenger::Bridge
