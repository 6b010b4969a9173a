#include "apache2/response/SpoolRing.h"

#include <algorithm>
#include <stdexcept>

namespace Passenger {

void SpoolRing::append(std::string_view bytes) {
    if (bytes.size() > room()) {
        throw std::length_error("the spool ring has no room for so many bytes");
    }
    const std::uint64_t end = (first_ + size_) % capacity_;
    const auto whole = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), capacity_ - end));
    file_.write(end, bytes.substr(0, whole));
    end_ = std::max(end_, end + whole);
    file_.write(0, bytes.substr(whole));
    size_ += bytes.size();
}

std::size_t SpoolRing::take(std::span<char> into) {
    const auto length = static_cast<std::size_t>(std::min({std::uint64_t{into.size()}, size_, capacity_ - first_}));
    file_.read(first_, into.first(length));
    size_ -= length;
    first_ = size_ == 0 ? 0 : (first_ + length) % capacity_;
    return length;
}

std::array<SpoolRing::Range, 2> SpoolRing::ranges() const noexcept {
    const std::uint64_t whole = std::min(size_, capacity_ - first_);
    return {Range{first_, whole}, Range{0, size_ - whole}};
}

SpoolRing::Range SpoolRing::keepBeside(std::string_view bytes) {
    const Range range{end_, bytes.size()};
    file_.write(range.position, bytes);
    end_ += bytes.size();
    return range;
}

}  // namespace Passenger
