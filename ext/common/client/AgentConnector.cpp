#include "client/AgentConnector.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

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

void throwIfAbsent(int absenceView) {
    char absent = 0;
    if (absenceView >= 0 && ::pread(absenceView, &absent, sizeof absent, 0) == 1 && absent != 0) {
        throw IOException("the agent does not run; httpd's error log has the reason");
    }
}

}  // namespace

FrameSocket connectToAgent(const FileDescriptor &connectSocket, FrameSocket::Deadline deadline, int absenceView) {
    for (;;) {
        throwIfAbsent(absenceView);
        const auto wakeAgainAt = std::chrono::steady_clock::now() + sendWakeUp(connectSocket);
        while (pollUntil(connectSocket.get(), POLLIN, std::min(wakeAgainAt, deadline))) {
            if (auto descriptor = receiveDescriptor(connectSocket)) {
                return FrameSocket(std::move(*descriptor));
            }
        }
        if (std::chrono::steady_clock::now() >= deadline) {
            throw TimeoutException("The agent did not accept a connection in time");
        }
    }
}

}  // namespace Passenger
