#include "apache2/response/ThreadUse.h"

#include <algorithm>
#include <chrono>
#include <limits>

namespace Passenger {

namespace {

constexpr std::uint64_t LOOK_INTERVAL = std::chrono::nanoseconds(std::chrono::seconds(1)).count();

}  // namespace

ThreadUse::Place ThreadUse::add(std::uint64_t app, Use use) {
    const bool counted = ledger_ != nullptr && ledger_->addUse(app, use);
    return {counted ? ledger_ : nullptr, app, use};
}

unsigned ThreadUse::of(std::uint64_t app, Use use) noexcept {
    if (ledger_ == nullptr) {
        return 0;
    }
    std::uint64_t count = ledger_->uses(app, use);
    if (count > 0 && mayLookForDead() && ledger_->dropDead()) {
        count = ledger_->uses(app, use);
    }
    return static_cast<unsigned>(std::min<std::uint64_t>(count, std::numeric_limits<unsigned>::max()));
}

/** True once a second, for one thread. */
bool ThreadUse::mayLookForDead() noexcept {
    const std::uint64_t now = toNanoseconds(clock_.now());
    std::uint64_t last = lastLook_.load();
    return (last == 0 || now - last >= LOOK_INTERVAL) && lastLook_.compare_exchange_strong(last, now);
}

}  // namespace Passenger
