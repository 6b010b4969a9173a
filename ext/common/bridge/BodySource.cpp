#include "bridge/BodySource.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/Exceptions.h"
#include "bridge/EventLog.h"
#include "shm/Layouts.h"

namespace Passenger::Bridge {

BodySource::BodySource(const Channel &channel, std::uint64_t first, std::uint64_t last, bool mayBeFile)
    : channel_(channel), first_(first), last_(last), mayBeFile_(mayBeFile), buffer_(MAX_MESSAGE + 1) {}

std::string_view BodySource::receive() {
    if (!unread_.empty()) {
        const std::string bytes = std::exchange(unread_, {});
        std::memcpy(buffer_.data(), bytes.data(), bytes.size());
        return {buffer_.data(), bytes.size()};
    }
    if (file_) {
        return readFile();
    }
    Received received = next();
    return accept(received);
}

Received BodySource::next() {
    Received received;
    try {
        received = receiveWithDescriptors(channel_.end, buffer_);
    } catch (const SystemException &) {
        // The child has left messages of ours unread.
        throw BodyBrokenOff();
    }
    if (received.size == 0) {
        throw BodyBrokenOff();
    }
    return received;
}

std::string_view BodySource::accept(Received &received) {
    const std::size_t size = received.size;
    MessageHeader header{};
    std::memcpy(&header, buffer_.data(), std::min(size, sizeof(header)));
    const bool counts = size >= sizeof(header) && header.ticket >= first_ && header.ticket <= last_;
    if (counts && mayBeFile_ && header.type == MessageType::BODY_FILE && size == sizeof(header) + sizeof(fileSize_)) {
        takeFile(received);
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
    return {buffer_.data() + sizeof(header), size - sizeof(header)};
}

void BodySource::takeFile(Received &received) {
    if (received.descriptors.size() != 1) {
        EventLog::complain("body.not_received", "remedy=\"a higher limit of open files\"");
        throw BodyNotReceived();
    }
    std::memcpy(&fileSize_, buffer_.data() + sizeof(MessageHeader), sizeof(fileSize_));
    ended_ = fileSize_ == 0;
    if (!ended_) {
        file_ = std::move(received.descriptors.front());
    }
}

std::string_view BodySource::readFile() {
    const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(buffer_.size(), fileSize_ - fileAt_));
    const ssize_t size = pread(file_.get(), buffer_.data(), most, static_cast<off_t>(fileAt_));
    if (size <= 0) {
        throw BodyBrokenOff();
    }
    fileAt_ += static_cast<std::uint64_t>(size);
    ended_ = fileAt_ == fileSize_;
    if (ended_) {
        file_.reset();
    }
    return {buffer_.data(), static_cast<std::size_t>(size)};
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
