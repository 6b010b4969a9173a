#include "apache2/response/ThreadUse.h"

#include <algorithm>
#include <chrono>
#include <limits>

namespace Passenger {

namespace {

constexpr std::uint64_t LOOK_INTERVAL = std::chrono::nanoseconds(std::chrono::seconds(1)).count();

unsigned limited(std::uint64_t count) noexcept {
    return static_cast<unsigned>(std::min<std::uint64_t>(count, std::numeric_limits<unsigned>::max()));
}

}  // namespace

ThreadUse::Place ThreadUse::addConnection(std::uint64_t app) {
    const bool counted = ledger_ != nullptr && ledger_->addUse(app, Use::CONNECTION);
    return {counted ? this : nullptr, app, nullptr};
}

ThreadUse::Place ThreadUse::addStream(std::uint64_t app, const void *connection) {
    if (ledger_ == nullptr) {
        return {nullptr, app, connection};
    }
    const bool first = join(app, connection);
    if (!ledger_->addUse(app, Use::STREAM)) {
        leave(app, connection);
        return {nullptr, app, connection};
    }
    if (first) {
        ledger_->addUse(app, Use::CONNECTION);
    }
    return {this, app, connection};
}

void ThreadUse::remove(std::uint64_t app, const void *streamOf) noexcept {
    if (streamOf == nullptr || leave(app, streamOf)) {
        ledger_->removeUse(app, Use::CONNECTION);
    }
    if (streamOf != nullptr) {
        ledger_->removeUse(app, Use::STREAM);
    }
}

/** @return whether it is the connection's first stream */
bool ThreadUse::join(std::uint64_t app, const void *connection) {
    const LockGuard guard(mutex_);
    return streams_[{app, connection}]++ == 0;
}

/** @return whether it was the connection's last stream */
bool ThreadUse::leave(std::uint64_t app, const void *connection) noexcept {
    const LockGuard guard(mutex_);
    const auto known = streams_.find({app, connection});
    const bool last = --known->second == 0;
    if (last) {
        streams_.erase(known);
    }
    return last;
}

HttpdThreads ThreadUse::of(std::uint64_t app, bool ofStream) noexcept {
    if (ledger_ == nullptr) {
        return {};
    }
    HttpdThreads threads = counted(app);
    if (threads.connections > 0 && mayLookForDead() && ledger_->dropDead()) {
        threads = counted(app);
    }
    threads.maxStreams = ofStream ? maxStreams_ : 0;
    return threads;
}

HttpdThreads ThreadUse::counted(std::uint64_t app) const noexcept {
    return {limited(ledger_->uses(app, Use::CONNECTION)), limited(ledger_->uses(app, Use::STREAM)), 0};
}

/** True once a second, for one thread. */
bool ThreadUse::mayLookForDead() noexcept {
    const std::uint64_t now = toNanoseconds(clock_.now());
    std::uint64_t last = lastLook_.load();
    return (last == 0 || now - last >= LOOK_INTERVAL) && lastLook_.compare_exchange_strong(last, now);
}

}  // namespace Passenger
