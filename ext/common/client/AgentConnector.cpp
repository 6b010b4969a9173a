#include "client/AgentConnector.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include "base/Exceptions.h"
#include "base/Poll.h"
#include "exchange/QueueHost.h"
#include "io/SocketPair.h"

namespace Passenger {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds WAKE_AGAIN{1000};
/** The pause while the socket of wake-ups is full because no pool process reads it. */
constexpr milliseconds WAKE_RETRY{50};

/** A descriptor of another owner, for a scope. */
class Borrowed {
public:
    explicit Borrowed(int fd) noexcept : descriptor_(fd) {}
    ~Borrowed() { static_cast<void>(descriptor_.release()); }
    Borrowed(const Borrowed &) = delete;
    Borrowed &operator=(const Borrowed &) = delete;
    const FileDescriptor &get() const noexcept { return descriptor_; }

private:
    FileDescriptor descriptor_;
};

[[noreturn]] void throwGone() {
    throw IOException("The agent has ended: no process reads the connect socket");
}

bool isHangUp(int error) noexcept {
    return error == EPIPE || error == ECONNRESET || error == ENOTCONN || error == ECONNREFUSED;
}

/** @return the time until the next wake-up */
milliseconds sendWakeUp(const FileDescriptor &socket) {
    try {
        sendWithDescriptors(socket, "!", {}, MSG_DONTWAIT);
        return WAKE_AGAIN;
    } catch (const SystemException &exception) {
        if (isHangUp(exception.error())) {
            throwGone();
        }
        if (exception.error() == EAGAIN || exception.error() == ENOBUFS) {
            return WAKE_RETRY;
        }
        throw;
    }
}

/** Nothing: another process was quicker. */
std::optional<FileDescriptor> receiveDescriptor(const FileDescriptor &socket) {
    std::array<char, 16> buffer;
    Received received;
    try {
        received = receiveWithDescriptors(socket, buffer, MSG_DONTWAIT);
    } catch (const SystemException &exception) {
        if (exception.error() == EAGAIN) {
            return std::nullopt;
        }
        if (isHangUp(exception.error())) {
            throwGone();
        }
        throw;
    }
    if (!received.descriptors.empty()) {
        return std::move(received.descriptors.front());
    }
    if (received.truncated) {
        throw SystemException("recvmsg(connect socket): no room for the descriptor", EMFILE);
    }
    if (received.size == 1 && buffer.front() == CONNECTION_REFUSED) {
        throw DescriptorShortageException(
            "the agent has no descriptor left for a connection; event=descriptors.short in the log names its limit");
    }
    if (received.size == 0) {
        throwGone();
    }
    return std::nullopt;
}

void throwIfAbsent(int absence) {
    if (absence >= 0 && pollUntil(absence, POLLIN, FrameSocket::Deadline::min())) {
        throw IOException("the agent does not run; httpd's error log has the reason");
    }
}

/** @return false at the deadline, and when the wait is to be looked at anew */
bool awaitAnswer(int connectSocket, int absence, FrameSocket::Deadline deadline) {
    std::array<pollfd, 2> entries{{{connectSocket, POLLIN, 0}, {absence, POLLIN, 0}}};
    const int ready = ::poll(entries.data(), entries.size(), millisecondsUntil(deadline));
    if (ready < 0 && errno != EINTR) {
        throw SystemException("poll(connect socket)", errno);
    }
    return ready > 0 && entries.front().revents != 0;
}

}  // namespace

FrameSocket connectToAgent(int connectSocket, FrameSocket::Deadline deadline, int absence) {
    const Borrowed socket(connectSocket);
    for (;;) {
        throwIfAbsent(absence);
        const auto wakeAgainAt = std::chrono::steady_clock::now() + sendWakeUp(socket.get());
        while (awaitAnswer(connectSocket, absence, std::min(wakeAgainAt, deadline))) {
            if (auto descriptor = receiveDescriptor(socket.get())) {
                return FrameSocket(std::move(*descriptor));
            }
        }
        if (std::chrono::steady_clock::now() >= deadline) {
            throw TimeoutException("The agent did not accept a connection in time");
        }
    }
}

}  // namespace Passenger
