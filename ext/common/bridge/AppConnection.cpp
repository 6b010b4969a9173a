#include "bridge/AppConnection.h"

#include <poll.h>

#include <cerrno>

namespace Passenger::Bridge {

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr auto CONNECT_LIMIT = 10s;
/** A server that takes longer to accept a connection has not ended. */
constexpr auto PROBE_LIMIT = 100ms;
/** Within this time a connection serves any request, if the application keeps it for LONG. */
constexpr auto YOUNG = 1s;
constexpr auto LONG = 2s;

}  // namespace

bool AppConnection::reuse(bool mayBeOld) noexcept {
    const bool isSafe = mayBeOld || (keptFor_ >= LONG && steady_clock::now() - lastUsed_ < YOUNG);
    kept_ = socket_ && isSafe && isQuiet();
    return kept_;
}

bool AppConnection::open(bool mayBeOld) {
    if (!reuse(mayBeOld)) {
        socket_ = address_.connectToThisUsers(steady_clock::now() + CONNECT_LIMIT);
    }
    return static_cast<bool>(socket_);
}

bool AppConnection::isRefused() const {
    return !address_.connectToThisUsers(steady_clock::now() + PROBE_LIMIT) && AppAddress::isRefusal(errno);
}

void AppConnection::keep(std::chrono::seconds keptFor) noexcept {
    lastUsed_ = steady_clock::now();
    keptFor_ = keptFor;
}

/** The connection has not ended, and no byte has come on it. */
bool AppConnection::isQuiet() const noexcept {
    pollfd entry{socket_.get(), POLLIN | POLLRDHUP, 0};
    return poll(&entry, 1, 0) == 0;
}

}  // namespace Passenger::Bridge
