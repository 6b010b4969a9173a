#include "bridge/Relay.h"

#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "bridge/EventLog.h"
#include "io/SocketPair.h"
#include "shm/Layouts.h"

namespace Passenger::Bridge {

namespace {

using namespace std::chrono_literals;

/** A client that has ended its side may have left: after so long without a byte of the application
 *  the relay ends. */
constexpr auto SILENCE_AFTER_CLIENT = 1s;
/** The client's bytes are read for so long after the client has everything. A close with unread
 *  bytes would drop sent ones. */
constexpr auto LINGERS = 1s;
/** Bytes that a client may send while it listens to events. */
constexpr std::size_t MOST_DROPPED = 64 * 1024;

constexpr std::string_view LAST_CHUNK = "0\r\n\r\n";

std::string chunkOf(std::string_view bytes) {
    return bytes.empty() ? std::string() : fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes);
}

/** The child could send any file. */
bool isTcp(const FileDescriptor &descriptor) noexcept {
    int domain = 0;
    socklen_t size = sizeof(domain);
    return isStream(descriptor) && ::getsockopt(descriptor.get(), SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
           (domain == AF_INET || domain == AF_INET6);
}

}  // namespace

Relay::Relay(FileDescriptor child, FileDescriptor application, std::string_view first,
             std::unique_ptr<AnswerParser> answer, TimePoint now)
    : client_(std::move(child)),
      application_(std::move(application)),
      answer_(std::move(answer)),
      toClient_{answer_ ? chunkOf(first) : std::string(first)},
      since_(now) {}

std::uint32_t Relay::wanted(Side side) const noexcept {
    if (awaitsChild_) {
        return side == Side::CLIENT ? EPOLLIN : 0U;
    }
    if (side == Side::APPLICATION) {
        const bool reads = toClient_.empty() && !applicationEnded_ && !perhapsKilled_;
        return (reads ? EPOLLIN : 0U) | (toApplication_.empty() ? 0U : EPOLLOUT);
    }
    const bool reads = toApplication_.empty() && !clientEnded_;
    return (reads ? EPOLLIN : 0U) | (clientEnded_ || clientHangsUp_ ? 0U : EPOLLRDHUP) |
           (toClient_.empty() ? 0U : EPOLLOUT);
}

void Relay::handle(Side side, std::uint32_t events, std::span<char> buffer, TimePoint now) {
    constexpr std::uint32_t BROKEN = EPOLLERR | EPOLLHUP;
    if (awaitsChild_) {
        since_ = now;
        takeChildsAnswer();
        if (!awaitsChild_ && !over_) {
            sendToClient();
        }
        return;
    }
    const auto waiting = toClient_.left();
    if (side == Side::APPLICATION) {
        if ((events & EPOLLOUT) != 0) {
            const auto before = toApplication_.left();
            sendToApplication();
            since_ = toApplication_.left() < before ? now : since_;
        }
        if ((wanted(side) & EPOLLIN) != 0 && (events & (EPOLLIN | BROKEN)) != 0) {
            since_ = now;
            takeApplication(buffer);
        } else if ((events & BROKEN) != 0) {
            toApplication_ = {};
        }
        return;
    }
    if ((events & EPOLLOUT) != 0) {
        sendToClient();
    }
    if (toClient_.left() < waiting) {
        since_ = now;
    }
    if ((events & (EPOLLIN | EPOLLRDHUP)) != 0 && (wanted(side) & EPOLLIN) != 0) {
        takeClient(buffer);
        since_ = clientEnded_ ? now : since_;
    } else if ((events & BROKEN) != 0) {
        over_ = true;
    } else if ((events & EPOLLRDHUP) != 0) {
        clientHangsUp_ = true;
        since_ = now;
    }
}

std::optional<Relay::TimePoint> Relay::deadline() const noexcept {
    if (awaitsChild_) {
        return since_ + ANSWER_WITHIN;
    }
    if (closing_) {
        return since_ + LINGERS;
    }
    if (perhapsKilled_) {
        return since_ + DEATH_NOTICE;
    }
    if (!toClient_.empty() || clientHangsUp_) {
        return since_ + TAKES_WITHIN;
    }
    return clientEnded_ ? std::optional(since_ + SILENCE_AFTER_CLIENT) : std::nullopt;
}

void Relay::expire(TimePoint now, bool applicationLives) {
    if (closing_) {
        expireClosing(now);
        return;
    }
    if (!std::exchange(perhapsKilled_, false)) {
        over_ = true;
        return;
    }
    since_ = now;
    if (applicationLives) {
        answer_->end();
        passOnAnswer();
    } else {
        applicationEnded_ = true;
        sendToClient();
    }
}

/** Waits for a client that takes the bytes that the kernel still has. */
void Relay::expireClosing(TimePoint now) noexcept {
    int unsent = 0;
    static_cast<void>(!::ioctl(client_.get(), SIOCOUTQ, &unsent));
    if (unsent != unsent_) {
        unsent_ = unsent;
        tookAt_ = now;
    } else if (unsent == 0 || now - tookAt_ >= TAKES_WITHIN) {
        over_ = true;
    }
    since_ = now;
}

void Relay::takeChildsAnswer() {
    char tag = 0;
    Received received;
    try {
        received = receiveWithDescriptors(client_, {&tag, 1}, MSG_DONTWAIT);
    } catch (const SystemException &error) {
        over_ = error.error() != EAGAIN && error.error() != EINTR;
        return;
    }
    awaitsChild_ = false;
    const auto answer = static_cast<TransferAnswer>(tag);
    if (received.size == 1 && answer == TransferAnswer::RELAY && received.descriptors.empty()) {
        return;
    }
    if (received.size == 1 && answer == TransferAnswer::CLIENT) {
        if (received.descriptors.size() == 1 && isTcp(received.descriptors.front())) {
            client_ = std::move(received.descriptors.front());
            return;
        }
        EventLog::complain("connection.not_received",
                           "remedy=\"a higher limit of open files, or PassengerTransferConnections off\"");
    }
    // Otherwise the child has ended, or is hostile.
    over_ = true;
}

void Relay::takeClient(std::span<char> buffer) {
    const ssize_t size = recv(client_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0) {
        over_ = errno != EAGAIN && errno != EINTR;
    } else if (size == 0) {
        endOfClient();
    } else if (answer_) {
        dropped_ += static_cast<std::size_t>(size);
        over_ = dropped_ > MOST_DROPPED;
    } else if (!applicationEnded_) {
        toApplication_.bytes.assign(buffer.data(), static_cast<std::size_t>(size));
        sendToApplication();
    }
}

/** A client that listens to events has left. */
void Relay::endOfClient() {
    clientEnded_ = true;
    clientHangsUp_ = false;
    if (answer_ || closing_) {
        over_ = true;
    } else {
        ::shutdown(application_.get(), SHUT_WR);
    }
}

void Relay::takeApplication(std::span<char> buffer) {
    const ssize_t size = recv(application_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (size < 0) {
        // A reset is no end of an answer.
        applicationEnded_ = true;
        sendToClient();
        return;
    }
    if (size == 0) {
        endOfApplication();
        return;
    }
    const std::string_view bytes(buffer.data(), static_cast<std::size_t>(size));
    if (answer_) {
        answer_->feed(bytes);
        passOnAnswer();
    } else {
        toClient_.bytes = bytes;
        sendToClient();
    }
}

void Relay::endOfApplication() {
    if (answer_ && answer_->untilClose()) {
        // The kernel closes the connections of a killed process in order. Then this process ends.
        perhapsKilled_ = true;
        return;
    }
    // A chunked body without its end must not look whole: it gets none.
    applicationEnded_ = true;
    sendToClient();
}

void Relay::passOnAnswer() {
    toClient_.bytes = chunkOf(answer_->takeBody());
    if (answer_->complete()) {
        toClient_.bytes += LAST_CHUNK;
    }
    applicationEnded_ = answer_->complete() || answer_->problem() != nullptr;
    sendToClient();
}

/** False: the receiver is gone. */
bool Relay::sendTo(const FileDescriptor &receiver, Pending &pending) noexcept {
    while (!pending.empty()) {
        const ssize_t sent = send(receiver.get(), pending.bytes.data() + pending.at, pending.bytes.size() - pending.at,
                                  MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        pending.at += static_cast<std::size_t>(sent);
        if (pending.at == pending.bytes.size()) {
            // There may be thousands of silent connections.
            pending = {};
        }
    }
    return true;
}

void Relay::sendToClient() {
    if (!sendTo(client_, toClient_)) {
        over_ = true;
    } else if (applicationEnded_ && toClient_.empty()) {
        beginClosing();
    }
}

/** Drops the bytes if the application takes none any more. The application may send on. */
void Relay::sendToApplication() {
    if (!sendTo(application_, toApplication_)) {
        toApplication_ = {};
    }
}

void Relay::beginClosing() noexcept {
    toApplication_ = {};
    ::shutdown(application_.get(), SHUT_RDWR);
    ::shutdown(client_.get(), SHUT_WR);
    closing_ = true;
    over_ = clientEnded_;
}

}  // namespace Passenger::Bridge
