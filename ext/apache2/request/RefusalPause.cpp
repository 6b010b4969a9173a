#include "apache2/request/RefusalPause.h"

#include <poll.h>

namespace Passenger {

RefusalPause::Outcome RefusalPause::take(int clientSocket) noexcept {
    if (pausing_.fetch_add(1, std::memory_order_relaxed) >= most_) {
        pausing_.fetch_sub(1, std::memory_order_relaxed);
        return Outcome::REFUSE;
    }
    // Not POLLRDHUP: a client may close its sending side and wait for the response.
    pollfd client{clientSocket, 0, 0};
    const bool left = ::poll(&client, 1, static_cast<int>(LENGTH.count())) > 0;
    pausing_.fetch_sub(1, std::memory_order_relaxed);
    return left ? Outcome::CLIENT_LEFT : Outcome::TRY_AGAIN;
}

}  // namespace Passenger
