#include "io/ReplyChannel.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <cerrno>
#include <cstring>
#include <exception>

#include "base/DescriptorCloser.h"
#include "base/DescriptorLimit.h"
#include "base/Exceptions.h"
#include "io/SocketPair.h"

namespace Passenger {

namespace {

enum class SendResult { SENT, FULL, CROWDED, GONE, FAILED };

constexpr int NONE = -1;
/** More than the buffer of a socket holds, unless a child has enlarged it. */
constexpr unsigned MOST_MESSAGES = 1024;

SendResult sendMessage(int socket, const MessageHeader &header, std::string_view body, int descriptor = NONE) {
    iovec parts[2] = {{const_cast<MessageHeader *>(&header), sizeof(header)},
                      {const_cast<char *>(body.data()), body.size()}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(descriptor))] = {};
    if (descriptor != NONE) {
        message.msg_control = control;
        message.msg_controllen = sizeof(control);
        cmsghdr *rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(descriptor));
        std::memcpy(CMSG_DATA(rights), &descriptor, sizeof(descriptor));
    }
    while (sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        switch (errno) {
            case EINTR: continue;
            case EAGAIN:
            case ENOBUFS: return SendResult::FULL;
            case ETOOMANYREFS: return SendResult::CROWDED;
            case EPIPE:
            case ECONNRESET:
            case ENOTCONN: return SendResult::GONE;
            default: return SendResult::FAILED;
        }
    }
    return SendResult::SENT;
}

void emptyChannel(int fd) noexcept {
    FileDescriptor instanceEnd(fd);
    try {
        char byte;
        for (unsigned count = 0; count < MOST_MESSAGES; count++) {
            if (receiveWithDescriptors(instanceEnd, std::span(&byte, 1), MSG_DONTWAIT).size == 0) {
                break;
            }
        }
    } catch (const std::exception &) {
        // The channel is empty.
    }
    static_cast<void>(instanceEnd.release());
}

}  // namespace

ReplyChannel::ReplyChannel(FileDescriptor end, ChannelId id, std::uint32_t inFlightEntry, std::uint64_t epoch,
                           const ChannelSecret &secret, DescriptorSender application) noexcept
    // Messages that nobody has read may hold descriptors of the instance.
    : end_(FileDescriptor::foreign(end.release(), application)),
      id_(id),
      inFlightEntry_(inFlightEntry),
      epoch_(epoch),
      secret_(secret) {
    // Sets the timeout of this end only. The other end, which is shared, is another socket.
    const timeval patience{0, std::chrono::microseconds(PATIENCE).count()};
    patient_ = setsockopt(end_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0;
    // Without it sender() is unknown, and nothing else is wrong.
    const int on = 1;
    setsockopt(end_.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
}

std::size_t ReplyChannel::receive(std::span<char> buffer, std::vector<FileDescriptor> &descriptors, Waiting waiting) {
    iovec part{buffer.data(), buffer.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred)) + CMSG_SPACE(sizeof(int) * KERNELS_MAX_DESCRIPTORS)];
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    const bool waits = waiting == Waiting::FOR_A_MOMENT && patient_;
    const int flags = MSG_CMSG_CLOEXEC | (waits ? 0 : MSG_DONTWAIT);
    ssize_t size;
    while ((size = recvmsg(end_.get(), &message, flags)) < 0) {
        if (errno == EAGAIN) {
            return 0;
        }
        // The kernel reports ECONNRESET once, before the remaining messages: the other side closed
        // with unread data.
        if (errno != EINTR && errno != ECONNRESET) {
            throw SystemException("recvmsg() on a reply channel", errno);
        }
    }
    for (cmsghdr *c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            takeDescriptors(*c, descriptors, end_.sender());
        } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS) {
            ucred credentials;
            std::memcpy(&credentials, CMSG_DATA(c), sizeof(credentials));
            sender_ = credentials.pid;
        }
    }
    if ((message.msg_flags & MSG_TRUNC) != 0) {
        throw ProtocolException("a message on the reply channel is longer than the limit of a message");
    }
    // There is room for all descriptors that the kernel allows in a message.
    if ((message.msg_flags & MSG_CTRUNC) != 0) {
        throw SystemException("recvmsg() of a descriptor on a reply channel; " + explainDescriptorLimit(), EMFILE);
    }
    if (size == 0) {
        // The agent keeps a copy of the other end, so size 0 is a shutdown. An empty message is not
        // allowed.
        throw EndOfFileException("the reply channel was shut down");
    }
    return static_cast<std::size_t>(size);
}

bool ReplyChannel::send(const MessageHeader &header, std::string_view body) {
    return send(header, body, NONE) == Sent::YES;
}

ReplyChannel::Sent ReplyChannel::send(const MessageHeader &header, std::string_view body, int descriptor) {
    const SendResult result = sendMessage(end_.get(), header, body, descriptor);
    if (result == SendResult::FAILED) {
        throw SystemException("sendmsg() on a reply channel", errno);
    }
    if (result == SendResult::GONE) {
        throw EndOfFileException("the reply channel was shut down");
    }
    if (result == SendResult::CROWDED) {
        return Sent::NOT_WITH_DESCRIPTOR;
    }
    return result == SendResult::SENT ? Sent::YES : Sent::NOT_NOW;
}

bool ReplyChannel::drained() const noexcept {
    int bytes = 0;
    return ioctl(end_.get(), SIOCOUTQ, &bytes) == 0 && bytes == 0;
}

bool ReplyChannel::readable() const noexcept {
    pollfd entry{end_.get(), POLLIN, 0};
    return poll(&entry, 1, 0) > 0;
}

void ReplyChannel::shutDownBody() noexcept {
    ::shutdown(end_.get(), SHUT_WR);
}

void ReplyChannel::shutDown() noexcept {
    ::shutdown(end_.get(), SHUT_RDWR);
}

bool notifyChannel(const FileDescriptor &instanceEnd, const MessageHeader &header, std::string_view payload) {
    // Other errors concern a descriptor that a child has made. They harm only that child.
    return sendMessage(instanceEnd.get(), header, payload) != SendResult::FULL;
}

void emptyAndClose(FileDescriptor instanceEnd, DescriptorSender application) noexcept {
    DescriptorCloser::closeAfter(&emptyChannel, instanceEnd.release(), application);
}

}  // namespace Passenger
