#include "bridge/ReplyWriter.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <string>
#include <utility>

#include "base/Exceptions.h"
#include "io/SocketPair.h"

namespace Passenger::Bridge {

namespace {

constexpr unsigned BAD_GATEWAY = 502;
constexpr unsigned SERVICE_UNAVAILABLE = 503;
constexpr std::size_t PAYLOAD = MAX_MESSAGE - sizeof(MessageHeader);

[[noreturn]] void failToSend(int error) {
    if (isGone(error)) {
        throw ClientGone();
    }
    throw SystemException("a message of the answer", error);
}

}  // namespace

void ReplyWriter::respond(unsigned status, std::string_view head, std::string_view body, bool last) {
    const std::string_view first = head.substr(0, PAYLOAD);
    const std::string_view with = body.substr(0, PAYLOAD - first.size());
    const bool whole = first.size() == head.size() && with.size() == body.size();
    send(MessageType::RESPONSE, whole && last ? LAST : 0, status, head.size(), first, with);
    started_ = true;
    finished_ = whole && last;
    if (!whole) {
        // The rest of the head begins the DATA messages.
        data(head.substr(first.size()), false);
        data(body.substr(with.size()), last);
    }
}

void ReplyWriter::data(std::string_view body, bool last) {
    if (finished_ || (body.empty() && !last)) {
        return;
    }
    do {
        const std::string_view piece = body.substr(0, PAYLOAD);
        body.remove_prefix(piece.size());
        const bool ends = last && body.empty();
        send(MessageType::DATA, ends ? LAST : 0, 0, 0, piece);
        finished_ = ends;
    } while (!body.empty());
}

void ReplyWriter::trailers(std::string_view lines) {
    if (!finished_) {
        send(MessageType::TRAILERS, LAST, 0, lines.size(), lines);
        finished_ = true;
    }
}

void ReplyWriter::interim(unsigned status, std::string_view head) {
    send(MessageType::INTERIM, 0, status, head.size(), head);
}

bool ReplyWriter::hijack(int stream, std::uint8_t flags) {
    const MessageHeader header = headerOf(MessageType::HIJACKED, flags, 0, 0);
    const int descriptors[] = {stream};
    try {
        sendWithDescriptors(channel_.end, {reinterpret_cast<const char *>(&header), sizeof(header)}, descriptors);
        return true;
    } catch (const SystemException &error) {
        if (error.error() == ETOOMANYREFS) {
            return false;
        }
        failToSend(error.error());
    }
}

void ReplyWriter::handOver(int connection, unsigned status, std::string_view head, std::string_view surplus) {
    if (head.size() + surplus.size() > PAYLOAD) {
        fail(BAD_GATEWAY, "Bad Gateway");
        return;
    }
    if (!hijack(connection, 0)) {
        fail(SERVICE_UNAVAILABLE, "Service Unavailable");
        return;
    }
    respond(status, head, surplus, true);
}

void ReplyWriter::skip() {
    send(MessageType::SKIPPED, LAST, 0, 0, {});
    started_ = finished_ = true;
}

void ReplyWriter::fail(unsigned status, std::string_view text) {
    if (finished_) {
        return;
    }
    if (started_) {
        send(MessageType::ABORTED, LAST, 0, 0, {});
        finished_ = true;
        return;
    }
    const std::string head = "Content-Type: text/plain\r\nContent-Length: " + std::to_string(text.size()) + "\r\n";
    respond(status, head, text, true);
}

MessageHeader ReplyWriter::headerOf(MessageType type, std::uint8_t flags, unsigned status,
                                    std::size_t headLength) const noexcept {
    const bool answers = type == MessageType::RESPONSE || type == MessageType::HIJACKED;
    return {ticket_,
            type,
            flags,
            static_cast<std::uint16_t>(status),
            static_cast<std::uint32_t>(headLength),
            answers ? queued_ : 0,
            answers ? stickyId_ : 0};
}

void ReplyWriter::send(MessageType type, std::uint8_t flags, unsigned status, std::size_t headLength,
                       std::string_view first, std::string_view second) {
    MessageHeader header = headerOf(type, flags, status, headLength);
    iovec parts[3] = {{&header, sizeof(header)},
                      {const_cast<char *>(first.data()), first.size()},
                      {const_cast<char *>(second.data()), second.size()}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 3;
    if (kept_.empty() && sendNow(message)) {
        return;
    }
    std::string &kept = kept_.emplace_back(reinterpret_cast<const char *>(&header), sizeof(header));
    kept.append(first).append(second);
}

/** False: the child does not take the message at once. */
bool ReplyWriter::sendNow(const msghdr &message) const {
    const int flags = waits_ ? MSG_NOSIGNAL : MSG_NOSIGNAL | MSG_DONTWAIT;
    while (sendmsg(channel_.end.get(), &message, flags) < 0) {
        if (!waits_ && (errno == EAGAIN || errno == ENOBUFS)) {
            return false;
        }
        if (errno != EINTR && errno != ENOBUFS) {
            failToSend(errno);
        }
    }
    return true;
}

void ReplyWriter::wait() {
    waits_ = true;
    const bool finished = std::exchange(finished_, false);
    for (std::string &kept : std::exchange(kept_, {})) {
        iovec part{kept.data(), kept.size()};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        sendNow(message);
    }
    finished_ = finished;
}

}  // namespace Passenger::Bridge
