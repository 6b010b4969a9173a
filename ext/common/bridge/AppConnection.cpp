#include "bridge/AppConnection.h"

#include <poll.h>

namespace Passenger::Bridge {

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr auto CONNECT_LIMIT = 10s;
/** No server closes a connection that it has used so recently; Node, the hastiest, waits five seconds. */
constexpr auto YOUNG = 1s;

}  // namespace

bool AppConnection::open(bool mayBeOld) {
    kept_ = socket_ && (mayBeOld || steady_clock::now() - lastUsed_ < YOUNG) && isQuiet();
    if (!kept_) {
        socket_ = address_.connect(steady_clock::now() + CONNECT_LIMIT);
    }
    return static_cast<bool>(socket_);
}

void AppConnection::keep() noexcept {
    lastUsed_ = steady_clock::now();
}

/** Neither its end has come nor a byte that nobody asked for. */
bool AppConnection::isQuiet() const noexcept {
    pollfd entry{socket_.get(), POLLIN | POLLRDHUP, 0};
    return poll(&entry, 1, 0) == 0;
}

}  // namespace Passenger::Bridge
