#include "exchange/StreamSession.h"

#include <sys/socket.h>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/Exceptions.h"

namespace Passenger {

StreamSession::StreamSession(QueueHostPtr host, const Options &options) : exchange_(std::move(host), options) {
    try {
        exchange_.start(MessageRequest{}, STREAM);
    } catch (const RefusedException &error) {
        throw SpawnException(error.what());
    }
    std::vector<char> buffer(MAX_MESSAGE);
    Exchange::Event event = exchange_.receive(buffer, -1, std::chrono::milliseconds(-1));
    if (event.endsWith(Reply::Kind::REFUSED)) {
        throw SpawnException(event.end->text);
    }
    if (event.endsWith(Reply::Kind::LOST)) {
        throw IOException("the instance died before it began the session");
    }
    if (event.end || event.header.type != MessageType::ACCEPTED || event.descriptors.size() != 1) {
        throw ProtocolException("the instance did not open the session's stream");
    }
    exchange_.complete();
    stream_ = std::move(event.descriptors.front());
}

void StreamSession::sendHeaders(std::string_view environment) {
    if (environment.size() > MAX_ENVIRONMENT) {
        throw ProtocolException("the request's head is longer than 1 MiB");
    }
    const auto length = static_cast<std::uint32_t>(environment.size());
    char prefix[sizeof(length)];
    std::memcpy(prefix, &length, sizeof(length));
    sendBodyBlock(std::string_view(prefix, sizeof(prefix)));
    sendBodyBlock(environment);
}

void StreamSession::sendBodyBlock(std::string_view block) {
    while (!block.empty()) {
        const ssize_t sent = ::send(stream_.get(), block.data(), block.size(), MSG_NOSIGNAL);
        if (sent >= 0) {
            block.remove_prefix(static_cast<std::size_t>(sent));
        } else if (errno != EINTR) {
            throw SystemException("send() to an instance", errno);
        }
    }
}

void StreamSession::closeWriter() {
    ::shutdown(stream_.get(), SHUT_WR);
}

int StreamSession::getReader() {
    return stream_.get();
}

void StreamSession::closeReader() {
    ::shutdown(stream_.get(), SHUT_RD);
}

}  // namespace Passenger
