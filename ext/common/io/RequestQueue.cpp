#include "io/RequestQueue.h"

#include <linux/filter.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "base/Exceptions.h"
#include "io/SocketPair.h"

namespace Passenger {

namespace {

/**
 * Room for a long queue: the kernel doubles the value and charges 4,352 bytes for a 2 KB message.
 */
constexpr std::uint64_t LEAST_BUFFER = 16 * 1024 * 1024;
/** A request behind more data would wait too long. The buffer is kernel memory. */
constexpr std::uint64_t LARGEST_BUFFER = 512 * 1024 * 1024;
/**
 * The room for one request with long cookies and a body in the message, as the kernel charges it.
 * The value is halved, since the kernel doubles it.
 */
constexpr std::uint64_t ROOM_FOR_ONE = 16 * 1024;

/**
 * Attaches a filter that accepts everything and locks it. A holder of the receiving end then cannot
 * discard messages by another filter.
 */
void lockFilter(const FileDescriptor &socket) {
    sock_filter acceptAll[] = {BPF_STMT(BPF_RET | BPF_K, 0xffffffffU)};
    const sock_fprog program{1, acceptAll};
    const int on = 1;
    if (setsockopt(socket.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) != 0 ||
        setsockopt(socket.get(), SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof(on)) != 0) {
        throw SystemException("setsockopt(SO_LOCK_FILTER) on a request queue", errno);
    }
}

}  // namespace

RequestQueue::RequestQueue(unsigned requests) {
    DescriptorPair pair = makeSeqPacketPair();
    sending_ = std::move(pair.first);
    receiving_ = std::move(pair.second);
    const int size = static_cast<int>(std::clamp(requests * ROOM_FOR_ONE, LEAST_BUFFER, LARGEST_BUFFER));
    if (setsockopt(sending_.get(), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) != 0) {
        // A smaller buffer is acceptable: if it is full, the request is answered with 503 and does
        // not wait.
        missingRoom_ = size;
        setsockopt(sending_.get(), SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    }
    lockFilter(receiving_);
    throwUnless(::shutdown(receiving_.get(), SHUT_WR) == 0, "shutdown() of a request queue's receiving end");
}

void RequestQueue::shutDown() noexcept {
    ::shutdown(sending_.get(), SHUT_WR);
}

RequestQueue::Outcome RequestQueue::send(int sendingEnd, const RequestHeader &header, std::string_view environment,
                                         std::string_view body) {
    iovec parts[3] = {{const_cast<RequestHeader *>(&header), sizeof(header)},
                      {const_cast<char *>(environment.data()), environment.size()},
                      {const_cast<char *>(body.data()), body.size()}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = body.empty() ? 2 : 3;
    while (sendmsg(sendingEnd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        switch (errno) {
            case EINTR: continue;
            case EAGAIN:
            case ENOBUFS: return Outcome::FULL;
            case EPIPE:
            case ECONNRESET:
            case ENOTCONN: return Outcome::CLOSED;
            default: throw SystemException("sendmsg() on a request queue", errno);
        }
    }
    return Outcome::QUEUED;
}

bool RequestQueue::hasWaiting(int sendingEnd) noexcept {
    int bytes = 0;
    return ioctl(sendingEnd, SIOCOUTQ, &bytes) == 0 && bytes > 0;
}

bool RequestQueue::closed(int end) noexcept {
    // The other direction is shut down at creation, so a shutdown of this one shows as POLLHUP.
    pollfd entry{end, 0, 0};
    return poll(&entry, 1, 0) > 0 && (entry.revents & (POLLHUP | POLLERR)) != 0;
}

}  // namespace Passenger
