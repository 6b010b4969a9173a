#include "bridge/ChunkEnds.h"

#include <utility>

namespace Passenger::Bridge {

bool ChunkEnds::feed(std::string_view bytes) {
    if (bytes.empty()) {
        return true;
    }
    fed_ = bytes;
    lastBefore_ = std::exchange(last_, bytes.back());
    return end(bytes);
}

void ChunkEnds::begin(std::uint64_t size) noexcept {
    left_ = size;
    begins_ = size > 0;
}

bool ChunkEnds::add(std::string_view part) {
    const auto at = static_cast<std::size_t>(part.data() - fed_.data());
    if (std::exchange(begins_, false) && (at > 0 ? fed_[at - 1] : lastBefore_) != '\n') {
        problem_ = "the size of a chunk does not end with a line end";
        return false;
    }
    left_ -= part.size();
    if (left_ > 0) {
        return true;
    }
    endLeft_ = 2;
    return end(fed_.substr(at + part.size()));
}

/** Checks the bytes that belong to the line end behind the chunk, if it has not come yet. */
bool ChunkEnds::end(std::string_view bytes) {
    constexpr std::string_view END = "\r\n";
    const std::string_view expected = END.substr(END.size() - endLeft_);
    const std::string_view found = bytes.substr(0, expected.size());
    endLeft_ -= found.size();
    if (!expected.starts_with(found)) {
        problem_ = "a chunk does not end with a line end";
    }
    return problem_ == nullptr;
}

}  // namespace Passenger::Bridge
