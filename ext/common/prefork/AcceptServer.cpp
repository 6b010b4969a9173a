#include "prefork/AcceptServer.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <utility>

#include "base/Exceptions.h"
#include "base/Poll.h"
#include "base/SignalDescriptor.h"
#include "prefork/WorkerOutput.h"

namespace Passenger {

namespace {

using SteadyClock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/** The wait, in milliseconds, when the system is short of descriptors or memory. */
constexpr int SHORTAGE_PAUSE = 100;

/** Waits for a connection, a signal to end, or the end of the monitor. */
class ConnectionWait {
public:
    explicit ConnectionWait(const FileDescriptor &listener) : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
        signals_ = makeSignalDescriptor({SIGINT, SIGTERM});
        // The kernel wakes one of all waiting workers.
        add(listener.get(), EPOLLIN | EPOLLEXCLUSIVE, CONNECTION);
        add(signals_.get(), EPOLLIN, END);
        add(STDIN_FILENO, EPOLLIN, END);
    }

    /** False: the worker is to end. @param timeout in milliseconds; -1: none */
    bool wait(int timeout) {
        std::array<epoll_event, 3> events{};
        const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout);
        for (int i = 0; i < count; i++) {
            if (events[static_cast<std::size_t>(i)].data.u32 == END) {
                return false;
            }
        }
        return true;
    }

private:
    enum : std::uint32_t { CONNECTION, END };

    void add(int descriptor, std::uint32_t events, std::uint32_t meaning) {
        epoll_event event{};
        event.events = events;
        event.data.u32 = meaning;
        // Standard input may be a regular file if a test runs alone. epoll does not take such a
        // file, which never ends.
        if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event) != 0 && errno != EPERM) {
            throw SystemException("epoll_ctl", errno);
        }
    }

    FileDescriptor epoll_;
    FileDescriptor signals_;
};

}  // namespace

AcceptServer::AcceptServer(Handler handler) : handler_(std::move(handler)) {}

void AcceptServer::sendAck(milliseconds interval) {
    ackInterval_ = interval;
}

void AcceptServer::start() {
    listener_ = listen();
}

void AcceptServer::resumeAccept() {
    // A handler may close descriptor 1, or replace it.
    output_ = FileDescriptor(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    ::signal(SIGPIPE, SIG_IGN);
    ConnectionWait wait(listener_);
    nextAck_ = SteadyClock::now() + ackInterval_;
    tell(COMM_ACK);
    int timeout = 0;
    while (wait.wait(timeout)) {
        ack();
        timeout = 0;
        if (!acceptOne()) {
            setBusy(false);
            timeout = -1;
            if (ackInterval_ > milliseconds(0)) {
                timeout = millisecondsUntil(nextAck_);
            }
        }
    }
    setBusy(false);
}

/** False: no connection waits. */
bool AcceptServer::acceptOne() {
    FileDescriptor connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (connection) {
        setBusy(true);
        serve(std::move(connection));
        return true;
    }
    switch (errno) {
        case EAGAIN: return false;
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM: ::poll(nullptr, 0, SHORTAGE_PAUSE); return true;
        case EBADF:
        case EINVAL:
        case ENOTSOCK: throw SystemException("accept", errno);
        default:
            // The error is of a connection that has ended.
            return true;
    }
}

void AcceptServer::serve(FileDescriptor connection) {
    try {
        handler_(std::move(connection));
    } catch (const std::exception &error) {
        std::fprintf(stderr, "A connection ended with an error: %s\n", error.what());
    }
}

void AcceptServer::ack() {
    if (ackInterval_ > milliseconds(0) && SteadyClock::now() >= nextAck_) {
        tell(COMM_ACK);
        nextAck_ = SteadyClock::now() + ackInterval_;
    }
}

void AcceptServer::tell(std::string_view constant) {
    tellMonitor(output_.get(), constant);
}

void AcceptServer::setBusy(bool busy) {
    if (busy_ != busy) {
        busy_ = busy;
        tell(busy ? COMM_BUSY : COMM_NOT_BUSY);
    }
}

}  // namespace Passenger
