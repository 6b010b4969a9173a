#include "bridge/AppConnection.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace Passenger::Bridge {

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

/** Within this time a connection serves any request, if the application keeps it for LONG. */
constexpr auto YOUNG = 1s;
constexpr auto LONG = 2s;

}  // namespace

bool AppConnection::reuse(bool mayBeOld) noexcept {
    const bool isSafe = mayBeOld || (keptFor_ >= LONG && steady_clock::now() - lastUsed_ < YOUNG);
    kept_ = socket_ && isSafe && isQuiet();
    return kept_;
}

AppConnection::State AppConnection::open(bool mayBeOld, std::chrono::milliseconds limit) {
    if (!pending_) {
        if (reuse(mayBeOld)) {
            return State::OPEN;
        }
        close();
        pending_ = true;
        until_ = steady_clock::now() + limit;
    }
    if (!socket_) {
        socket_ = address_.startConnecting();
    }
    int error = socket_ ? AppAddress::outcomeOf(socket_) : errno;
    if (error == EINPROGRESS || error == EAGAIN) {
        if (steady_clock::now() < until_) {
            return State::PENDING;
        }
        error = ETIMEDOUT;
    }
    pending_ = false;
    error = error == 0 ? address_.refusalOf(socket_) : error;
    if (error != 0) {
        close();
        errno = error;
        return State::FAILED;
    }
    return State::OPEN;
}

AppConnection::Deadline AppConnection::nextLook() const {
    return socket_ ? until_ : std::min(until_, steady_clock::now() + AppAddress::FULL_BACKLOG_PAUSE);
}

void AppConnection::keep(std::chrono::seconds keptFor) noexcept {
    lastUsed_ = steady_clock::now();
    keptFor_ = keptFor;
}

void AppConnection::close() noexcept {
    socket_.reset();
    watch_.forget();
    pending_ = false;
}

FileDescriptor AppConnection::release() noexcept {
    watch(0);
    return std::move(socket_);
}

/** The connection has not ended, and no byte has come on it. */
bool AppConnection::isQuiet() const noexcept {
    pollfd entry{socket_.get(), POLLIN | POLLRDHUP, 0};
    return poll(&entry, 1, 0) == 0;
}

}  // namespace Passenger::Bridge
