#include "apache2/request/BufferedBody.h"

#include <algorithm>

namespace Passenger {

void BufferedBody::expect(std::uint64_t size) {
    memory_.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(size, MEMORY)));
}

void BufferedBody::append(std::string_view bytes) {
    size_ += bytes.size();
    while (memory_.size() + bytes.size() > MEMORY) {
        const auto fits = MEMORY - memory_.size();
        memory_ += bytes.substr(0, fits);
        bytes.remove_prefix(fits);
        flush();
    }
    memory_ += bytes;
}

void BufferedBody::flush() {
    if (!file_) {
        file_.emplace(std::move(charge_));
    }
    file_->write(written_, memory_);
    written_ += memory_.size();
    memory_.clear();
}

void BufferedBody::finish() {
    if (file_) {
        flush();
    }
}

std::optional<std::string_view> BufferedBody::whole() const noexcept {
    return file_ ? std::nullopt : std::optional<std::string_view>(memory_);
}

bool BufferedBody::fitsInline(std::size_t environment) const noexcept {
    return !file_ && sizeof(RequestHeader) + environment + memory_.size() <= MAX_INLINE_MESSAGE;
}

FileDescriptor BufferedBody::file() const noexcept {
    return file_ ? file_->reopen() : FileDescriptor();
}

std::string_view BufferedBody::next() {
    const auto length = static_cast<std::size_t>(std::min<std::uint64_t>(size_ - position_, PIECE));
    std::string_view piece;
    if (file_) {
        memory_.resize(PIECE);
        file_->read(position_, std::span(memory_).first(length));
        piece = std::string_view(memory_).substr(0, length);
    } else {
        piece = std::string_view(memory_).substr(static_cast<std::size_t>(position_), length);
    }
    position_ += length;
    return piece;
}

}  // namespace Passenger
