#pragma once

#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/Clock.h"

namespace Passenger {

/** The dates at which owners are to be looked at, at most one for each owner. Not thread-safe. */
template <typename Owner> class Deadlines {
public:
    /** Replaces the owner's date; nothing: it has none any more. */
    void set(Owner *owner, std::optional<MonotonicTime> time) {
        const auto found = dates_.find(owner);
        if (found != dates_.end()) {
            if (time == found->second->first) {
                return;
            }
            order_.erase(found->second);
            dates_.erase(found);
        }
        if (time) {
            dates_.emplace(owner, order_.emplace(*time, owner));
        }
    }
    std::optional<MonotonicTime> next() const {
        return order_.empty() ? std::nullopt : std::optional(order_.begin()->first);
    }
    /** The owners whose time has come, the earliest first. They have no date afterwards. */
    std::vector<Owner *> due(MonotonicTime now) {
        std::vector<Owner *> owners;
        while (!order_.empty() && order_.begin()->first <= now) {
            owners.push_back(order_.begin()->second);
            dates_.erase(order_.begin()->second);
            order_.erase(order_.begin());
        }
        return owners;
    }

private:
    using Order = std::multimap<MonotonicTime, Owner *>;

    Order order_;
    std::unordered_map<Owner *, typename Order::iterator> dates_;
};

}  // namespace Passenger
