#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <optional>

#include <tl/expected.hpp>

#include "base/Clock.h"
#include "exchange/Session.h"
#include "pool/GetFailure.h"

namespace Passenger {

using GetOutcome = tl::expected<SessionPtr, GetFailure>;
/** Called once for each get, without locks held, on whatever thread made it possible. */
using GetCallback = std::function<void(GetOutcome)>;

/** A request for a session that no instance could take at once. */
struct Waiter {
    std::uint64_t id = 0;
    GetCallback callback;
    MonotonicTime since{};
    /** When it gives up. */
    std::optional<MonotonicTime> deadline;
    /** The instance that it wants, if that lives; 0: any. */
    std::uint32_t stickyId = 0;
};

/** The line of a Group whose instances do not pull: first come, first served. Not thread-safe; guarded by the pool's lock. */
class Waiters {
public:
    bool empty() const noexcept {
        return waiters_.empty();
    }
    unsigned size() const noexcept {
        return static_cast<unsigned>(waiters_.size());
    }
    /** Who has waited longest. There must be one. */
    const Waiter &head() const {
        return waiters_.front();
    }
    /** Requests that an instance more would help, and since when the first of them waits. */
    struct Demand {
        unsigned count = 0;
        std::optional<MonotonicTime> since;
    };
    /** Without those that want an instance for which `serves` says that it does. */
    Demand demand(const std::function<bool(std::uint32_t stickyId)> &serves) const;
    void add(Waiter waiter);
    /** Offers each in turn; those that `take` returns true for are taken out, having been moved from. Stops when `take` returns nothing. */
    void offer(const std::function<std::optional<bool>(Waiter &)> &take);
    /** Takes one out. */
    std::optional<Waiter> remove(std::uint64_t id);
    /** Takes out those whose deadline has come. */
    std::list<Waiter> expire(MonotonicTime now);
    std::list<Waiter> removeAll();
    /** The next moment at which expire() has something to do. */
    std::optional<MonotonicTime> nextDeadline() const;

private:
    std::list<Waiter>::iterator erase(std::list<Waiter>::iterator waiter);

    std::list<Waiter> waiters_;
    /** How many of them want a certain instance. */
    std::size_t sticky_ = 0;
};

}  // namespace Passenger
