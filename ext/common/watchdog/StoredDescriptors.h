#pragma once

#include <cstddef>
#include <list>
#include <string>
#include <unordered_map>

#include "watchdog/StoreEntry.h"

namespace Passenger {

/**
 * The descriptors that pool processes have stored with the watchdog, in the order in which their
 * keys were first stored.
 *
 * Owned by the watchdog, whose main thread uses it. Always true: keys are unique, and there are at
 * most `capacity` entries.
 */
class StoredDescriptors {
public:
    static constexpr std::size_t DEFAULT_CAPACITY = 65536;

    explicit StoredDescriptors(std::size_t capacity = DEFAULT_CAPACITY) : capacity_(capacity) {}

    /**
     * Stores an entry. It takes the place of an entry with the same key.
     * @return false if the store is full: the new entry's descriptors are then closed
     */
    bool put(StoreEntry entry);
    /** @return false if there is no such entry */
    bool remove(const std::string &key);
    void clear();

    const std::list<StoreEntry> &entries() const noexcept { return entries_; }
    std::size_t size() const noexcept { return entries_.size(); }

private:
    const std::size_t capacity_;
    std::list<StoreEntry> entries_;
    std::unordered_map<std::string, std::list<StoreEntry>::iterator> byKey_;
};

}  // namespace Passenger
