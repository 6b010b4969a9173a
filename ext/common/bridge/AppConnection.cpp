#include "bridge/AppConnection.h"

#include <poll.h>
#include <sys/socket.h>

namespace Passenger::Bridge {

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr auto CONNECT_LIMIT = 10s;
/** Servers close no connection that was used so recently; Node waits five seconds. */
constexpr auto YOUNG = 1s;

}  // namespace

bool AppConnection::reuse(bool mayBeOld) noexcept {
    kept_ = socket_ && (mayBeOld || steady_clock::now() - lastUsed_ < YOUNG) && isQuiet();
    return kept_;
}

bool AppConnection::open(bool mayBeOld) {
    if (!reuse(mayBeOld)) {
        socket_ = address_.connect(steady_clock::now() + CONNECT_LIMIT);
    }
    return static_cast<bool>(socket_);
}

void AppConnection::keep() noexcept {
    lastUsed_ = steady_clock::now();
}

/** The connection has not ended, and no byte has come on it. */
bool AppConnection::isQuiet() const noexcept {
    pollfd entry{socket_.get(), POLLIN | POLLRDHUP, 0};
    return poll(&entry, 1, 0) == 0;
}

}  // namespace Passenger::Bridge
