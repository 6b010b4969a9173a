#include "apache2/response/RelayedConnections.h"

#include <algorithm>
#include <chrono>
#include <limits>

namespace Passenger {

namespace {

constexpr std::uint64_t LOOK_INTERVAL = std::chrono::nanoseconds(std::chrono::seconds(1)).count();

}  // namespace

RelayedConnections::Place RelayedConnections::add(std::uint64_t app) {
    const bool counted = ledger_ != nullptr && ledger_->addRelay(app);
    return {counted ? ledger_ : nullptr, app};
}

unsigned RelayedConnections::of(std::uint64_t app) noexcept {
    if (ledger_ == nullptr) {
        return 0;
    }
    std::uint64_t count = ledger_->relays(app);
    if (count > 0 && mayLookForDead() && ledger_->dropDead()) {
        count = ledger_->relays(app);
    }
    return static_cast<unsigned>(std::min<std::uint64_t>(count, std::numeric_limits<unsigned>::max()));
}

/** True once a second, for one thread. */
bool RelayedConnections::mayLookForDead() noexcept {
    const std::uint64_t now = toNanoseconds(clock_.now());
    std::uint64_t last = lastLook_.load();
    return (last == 0 || now - last >= LOOK_INTERVAL) && lastLook_.compare_exchange_strong(last, now);
}

}  // namespace Passenger
