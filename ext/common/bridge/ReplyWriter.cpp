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

/** For an error of a send. Returns if the child does not take the message at once. */
void throwUnlessFull(int error) {
    if (isGone(error)) {
        throw ClientGone();
    }
    if (error != EAGAIN && error != ENOBUFS) {
        throw SystemException("a message of the answer", error);
    }
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

bool ReplyWriter::hijack(const FileDescriptor &stream, std::uint8_t flags) {
    const MessageHeader header = headerOf(MessageType::HIJACKED, flags, 0, 0);
    const std::string_view bytes(reinterpret_cast<const char *>(&header), sizeof(header));
    try {
        if (!kept_.empty() || !sendNow(bytes, stream)) {
            kept_.push_back({std::string(bytes), stream.duplicate()});
        }
        return true;
    } catch (const SystemException &error) {
        if (error.error() == ETOOMANYREFS) {
            return false;
        }
        throw;
    }
}

void ReplyWriter::handOver(const FileDescriptor &connection, unsigned status, std::string_view head,
                           std::string_view surplus) {
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
    if (kept_.empty()) {
        ssize_t sent = 0;
        do {
            sent = sendmsg(channel_.end.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        } while (sent < 0 && errno == EINTR);
        if (sent >= 0) {
            return;
        }
        throwUnlessFull(errno);
    }
    std::string kept(reinterpret_cast<const char *>(&header), sizeof(header));
    kept.append(first).append(second);
    kept_.push_back({std::move(kept), {}});
}

/** False: the child does not take the message at once. */
bool ReplyWriter::sendNow(std::string_view bytes, const FileDescriptor &stream) const {
    const int descriptor = stream.get();
    try {
        sendWithDescriptors(channel_.end, bytes, {&descriptor, stream ? 1U : 0U}, MSG_DONTWAIT);
        return true;
    } catch (const SystemException &error) {
        throwUnlessFull(error.error());
        return false;
    }
}

/** After an error the kept messages are dropped, and the last one was not sent. */
void ReplyWriter::flush() {
    if (kept_.empty()) {
        return;
    }
    std::deque<Message> kept = std::exchange(kept_, {});
    const bool finished = std::exchange(finished_, false);
    while (!kept.empty() && sendNow(kept.front().bytes, kept.front().stream)) {
        kept.pop_front();
    }
    kept_ = std::move(kept);
    finished_ = finished;
}

}  // namespace Passenger::Bridge
