#include "exchange/MessageSession.h"

#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "io/SocketPair.h"

namespace Passenger {

namespace {

bool isLast(const Exchange::Event &event) {
    return (event.header.flags & LAST) != 0;
}

/**
 * Whether the descriptor is a stream of the application, and no connection to a service of the
 * machine: the ends of a Unix one have no name. A service may ask the kernel for the credentials of
 * each sender (SO_PASSCRED), and would take bytes that this process passes on for its own.
 */
bool isStreamOfApplication(const FileDescriptor &descriptor) noexcept {
    const auto isNamed = [&descriptor](auto nameOf) {
        sockaddr_storage name{};
        socklen_t length = sizeof name;
        return nameOf(descriptor.get(), reinterpret_cast<sockaddr *>(&name), &length) == 0 &&
               name.ss_family == AF_UNIX && length > sizeof name.ss_family;
    };
    return isStream(descriptor) && !isNamed(::getsockname) && !isNamed(::getpeername);
}

}  // namespace

std::optional<Reply> MessageSession::start(const Request &request) {
    transferable_ = request.transferable;
    takesFile_ = request.takesFile;
    try {
        exchange_.start(request, 0);
        return std::nullopt;
    } catch (const QueueFullException &error) {
        Reply reply = Reply::refused(error.status(), error.reportId(), error.what());
        reply.queueFull = true;
        return reply;
    } catch (const RefusedException &error) {
        return Reply::refused(error.status(), error.reportId(), error.what());
    }
}

std::optional<Reply> MessageSession::beginHead(const Exchange::Event &event) {
    if (headLength_ != 0 || headComplete_) {
        return Reply::broken("a second head in one answer");
    }
    if (event.header.headLength > MAX_RESPONSE_HEAD) {
        return Reply::broken("the head of the answer is longer than 128 KiB");
    }
    headLength_ = event.header.headLength;
    headType_ = event.header.type;
    status_ = event.header.status;
    stickyId_ = event.header.stickyId;
    head_.clear();
    return addToHead(event);
}

/** Adds this message to the head. Nothing: the head continues in the next message. */
std::optional<Reply> MessageSession::addToHead(const Exchange::Event &event) {
    const bool last = isLast(event);
    Reply reply;
    const std::size_t part = std::min<std::size_t>(headLength_ - head_.size(), event.payload.size());
    if (head_.empty() && part == headLength_) {
        reply.head = std::string_view(event.payload.data(), part);
    } else {
        head_.append(event.payload.data(), part);
        if (head_.size() < headLength_) {
            return last ? std::optional(Reply::broken("the answer ended within its head")) : std::nullopt;
        }
        reply.head = head_;
    }
    headLength_ = 0;
    reply.status = status_;
    if (headType_ == MessageType::INTERIM) {
        reply.kind = Reply::Kind::INTERIM;
        return reply;
    }
    headComplete_ = true;
    if (stream_ && !last) {
        return Reply::broken("an answer that hijacks a connection and continues");
    }
    reply.kind = Reply::Kind::RESPONSE;
    reply.stream = std::move(stream_);
    reply.wantsClient = wantsClient_;
    reply.stickyId = stickyId_;
    reply.body = event.payload.subspan(part);
    reply.last = last;
    if (last) {
        exchange_.complete();
    }
    return reply;
}

/** Takes the stream of a hijacked connection. False: the message has no such stream, or asks for a
 *  client that the request does not offer. */
bool MessageSession::takeStream(Exchange::Event &event) {
    if (stream_ || headLength_ != 0 || headComplete_ || event.descriptors.size() != 1 ||
        !isStreamOfApplication(event.descriptors.front())) {
        return false;
    }
    wantsClient_ = (event.header.flags & WANTS_CLIENT) != 0;
    if (wantsClient_ && !transferable_) {
        return false;
    }
    stream_ = std::move(event.descriptors.front());
    denyDescriptors(stream_);
    return true;
}

/** Takes the file that ends the answer. The instance is free then. @return the fault; null: none */
const char *MessageSession::takeFile(Exchange::Event &event) {
    if (!takesFile_ || headLength_ != 0 || !headComplete_ || !isLast(event)) {
        return "a file elsewhere than at the end of an answer, or of a request that takes none";
    }
    FileRange range;
    if (event.descriptors.size() != 1 || event.payload.size() != sizeof(range)) {
        return "a message about a file without exactly one descriptor and its range";
    }
    std::memcpy(&range, event.payload.data(), sizeof(range));
    if (const char *problem = AnswerFile::problemOf(event.descriptors.front(), range)) {
        return problem;
    }
    file_.emplace(std::move(event.descriptors.front()), range);
    exchange_.complete();
    return nullptr;
}

Reply MessageSession::nextOfFile(std::span<char> buffer) {
    Reply reply;
    const std::optional<std::size_t> size = file_->read(buffer);
    if (size) {
        reply.kind = Reply::Kind::DATA;
        reply.fromFile = true;
        reply.body = buffer.first(*size);
        reply.last = file_->left() == 0;
    } else {
        reply.text = "the file of the answer became shorter while it was sent, or it cannot be read";
    }
    if (reply.ends()) {
        file_.reset();
    }
    return reply;
}

Reply MessageSession::receive(std::span<char> buffer, const Client &client, std::chrono::milliseconds timeout) {
    if (file_) {
        return nextOfFile(buffer);
    }
    for (;;) {
        Exchange::Event event = exchange_.receive(buffer, client, timeout);
        if (event.end) {
            return std::move(*event.end);
        }
        if (event.header.type == MessageType::ANSWER_FILE) {
            const char *problem = takeFile(event);
            return problem != nullptr ? Reply::broken(problem) : nextOfFile(buffer);
        }
        if (std::optional<Reply> reply = replyFor(event)) {
            return std::move(*reply);
        }
    }
}

/** Nothing: the reply needs the next message, too. */
std::optional<Reply> MessageSession::replyFor(Exchange::Event &event) {
    const bool last = isLast(event);
    const bool continued = headLength_ != 0;
    Reply reply;
    switch (event.header.type) {
        case MessageType::RESPONSE:
        case MessageType::INTERIM: return beginHead(event);
        case MessageType::DATA:
            if (continued) {
                return addToHead(event);
            }
            if (!headComplete_) {
                return Reply::broken("data before the head of the answer");
            }
            reply.kind = Reply::Kind::DATA;
            reply.body = event.payload;
            reply.last = last;
            if (last) {
                exchange_.complete();
            }
            return reply;
        case MessageType::TRAILERS:
            if (continued || !headComplete_ || !last) {
                return Reply::broken("trailer fields elsewhere than at the end of an answer");
            }
            reply.kind = Reply::Kind::DATA;
            reply.trailers = {event.payload.data(), event.payload.size()};
            reply.last = true;
            break;
        case MessageType::HIJACKED:
            if (!takeStream(event)) {
                return Reply::broken("a hijacked connection without exactly one stream, or in the middle of an answer");
            }
            if (!last) {
                return std::nullopt;
            }
            reply.kind = Reply::Kind::HIJACKED;
            reply.stream = std::move(stream_);
            reply.wantsClient = wantsClient_;
            break;
        case MessageType::ABORTED: reply.kind = Reply::Kind::ABORTED; break;
        default: return Reply::broken("a message that does not belong to this exchange");
    }
    exchange_.complete(reply.kind != Reply::Kind::ABORTED);
    return reply;
}

}  // namespace Passenger
