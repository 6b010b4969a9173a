#include "bridge/BodySource.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "shm/Layouts.h"

namespace Passenger::Bridge {

BodySource::BodySource(const Channel &channel, std::uint64_t first, std::uint64_t last)
    : channel_(channel), first_(first), last_(last), buffer_(MAX_MESSAGE + 1) {}

std::string_view BodySource::receive() {
    if (!unread_.empty()) {
        const std::string bytes = std::exchange(unread_, {});
        std::memcpy(buffer_.data(), bytes.data(), bytes.size());
        return {buffer_.data(), bytes.size()};
    }
    ssize_t size = 0;
    do {
        size = recv(channel_.end.get(), buffer_.data(), buffer_.size(), 0);
    } while (size < 0 && errno == EINTR);
    if (size <= 0) {
        throw BodyBrokenOff();
    }
    return accept(static_cast<std::size_t>(size));
}

std::string_view BodySource::accept(std::size_t size) {
    MessageHeader header{};
    std::memcpy(&header, buffer_.data(), std::min(size, sizeof(header)));
    if (size < sizeof(header) || size > MAX_MESSAGE || header.type != MessageType::BODY || header.ticket < first_ ||
        header.ticket > last_) {
        // Messages of an earlier exchange are dropped, up to a limit.
        discarded_ += std::max(size, sizeof(header));
        if (discarded_ > MAX_DISCARDED) {
            throw BodyBrokenOff();
        }
        return {};
    }
    ended_ = (header.flags & LAST) != 0;
    return {buffer_.data() + sizeof(header), size - sizeof(header)};
}

std::string BodySource::receiveExactly(std::size_t length) {
    std::string bytes;
    while (bytes.size() < length) {
        if (ended_) {
            throw BodyBrokenOff();
        }
        bytes += receive();
    }
    unread_ = bytes.substr(length);
    bytes.resize(length);
    return bytes;
}

}  // namespace Passenger::Bridge
