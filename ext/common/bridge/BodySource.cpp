#include "bridge/BodySource.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/Exceptions.h"
#include "bridge/EventLog.h"

namespace Passenger::Bridge {

BodySource::BodySource(const Channel &channel, std::uint64_t first, std::uint64_t last, bool mayBeFile)
    : channel_(channel), first_(first), last_(last), mayBeFile_(mayBeFile) {}

std::string_view BodySource::receive(std::span<char> buffer) {
    if (!unread_.empty()) {
        const std::string bytes = std::exchange(unread_, {});
        std::memcpy(buffer.data(), bytes.data(), bytes.size());
        return {buffer.data(), bytes.size()};
    }
    if (file_) {
        return readFile(buffer);
    }
    Received received;
    try {
        received = receiveWithDescriptors(channel_.end, buffer, MSG_DONTWAIT);
    } catch (const SystemException &error) {
        if (error.error() == EAGAIN) {
            return {};
        }
        // The child has left messages of ours unread.
        throw BodyBrokenOff();
    }
    if (received.size == 0) {
        throw BodyBrokenOff();
    }
    return accept(received, buffer);
}

std::string_view BodySource::accept(Received &received, std::span<char> buffer) {
    const std::size_t size = received.size;
    MessageHeader header{};
    std::memcpy(&header, buffer.data(), std::min(size, sizeof(header)));
    const bool counts = size >= sizeof(header) && header.ticket >= first_ && header.ticket <= last_;
    if (counts && mayBeFile_ && header.type == MessageType::BODY_FILE && size == sizeof(header) + sizeof(fileSize_)) {
        std::uint64_t fileSize = 0;
        std::memcpy(&fileSize, buffer.data() + sizeof(header), sizeof(fileSize));
        takeFile(received, fileSize);
        return {};
    }
    if (!counts || size > MAX_MESSAGE || header.type != MessageType::BODY) {
        // Messages of an earlier exchange are dropped, up to a limit.
        discarded_ += std::max(size, sizeof(header));
        if (discarded_ > MAX_DISCARDED) {
            throw BodyBrokenOff();
        }
        return {};
    }
    ended_ = (header.flags & LAST) != 0;
    return {buffer.data() + sizeof(header), size - sizeof(header)};
}

void BodySource::takeFile(Received &received, std::uint64_t size) {
    if (received.descriptors.size() != 1) {
        EventLog::complain("body.not_received", "remedy=\"a higher limit of open files\"");
        throw BodyNotReceived();
    }
    fileSize_ = size;
    ended_ = size == 0;
    if (!ended_) {
        file_ = std::move(received.descriptors.front());
    }
}

std::string_view BodySource::readFile(std::span<char> buffer) {
    const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), fileSize_ - fileAt_));
    const ssize_t size = pread(file_.get(), buffer.data(), most, static_cast<off_t>(fileAt_));
    if (size <= 0) {
        throw BodyBrokenOff();
    }
    fileAt_ += static_cast<std::uint64_t>(size);
    ended_ = fileAt_ == fileSize_;
    if (ended_) {
        file_.reset();
    }
    return {buffer.data(), static_cast<std::size_t>(size)};
}

bool BodySource::complete(std::string &bytes, std::size_t length, std::span<char> buffer) {
    if (bytes.size() < length) {
        if (ended_) {
            throw BodyBrokenOff();
        }
        bytes += receive(buffer);
    }
    if (bytes.size() < length) {
        return false;
    }
    unread_ = bytes.substr(length);
    bytes.resize(length);
    return true;
}

}  // namespace Passenger::Bridge
