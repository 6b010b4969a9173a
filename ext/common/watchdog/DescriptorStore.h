#pragma once

#include <cstddef>
#include <list>
#include <string>
#include <unordered_map>

#include "watchdog/Deposit.h"

namespace Passenger {

/**
 * What pool processes have deposited with the watchdog, in the order in which the keys first came.
 *
 * Owned by the watchdog, whose only thread uses it. Always true: a key is there once, and there are never more than
 * `capacity` of them.
 */
class DescriptorStore {
public:
    static constexpr std::size_t DEFAULT_CAPACITY = 65536;

    explicit DescriptorStore(std::size_t capacity = DEFAULT_CAPACITY) : capacity_(capacity) {}

    /** Keeps a deposit. The same key replaces, and keeps its place in the order. False when the store is full: then the
     *  deposit is closed. */
    bool put(Deposit deposit);
    /** False when there is none. */
    bool withdraw(const std::string &key);
    void clear();

    const std::list<Deposit> &deposits() const noexcept {
        return deposits_;
    }
    std::size_t size() const noexcept {
        return deposits_.size();
    }

private:
    const std::size_t capacity_;
    std::list<Deposit> deposits_;
    std::unordered_map<std::string, std::list<Deposit>::iterator> byKey_;
};

}  // namespace Passenger
