#pragma once

#include <cstddef>
#include <list>
#include <string>
#include <unordered_map>

#include "watchdog/StoreEntry.h"

namespace Passenger {

/**
 * The descriptors that pool processes have stored with the watchdog, in the order in which the keys first came.
 *
 * Owned by the watchdog, whose only thread uses it. Always true: a key is there once, and there are never more than
 * `capacity` of them.
 */
class StoredDescriptors {
public:
    static constexpr std::size_t DEFAULT_CAPACITY = 65536;

    explicit StoredDescriptors(std::size_t capacity = DEFAULT_CAPACITY) : capacity_(capacity) {}

    /** Stores an entry. An entry with the same key is replaced in its place. False when the store is full: then the
     *  new entry is closed. */
    bool put(StoreEntry entry);
    /** False when there is none. */
    bool remove(const std::string &key);
    void clear();

    const std::list<StoreEntry> &entries() const noexcept {
        return entries_;
    }
    std::size_t size() const noexcept {
        return entries_.size();
    }

private:
    const std::size_t capacity_;
    std::list<StoreEntry> entries_;
    std::unordered_map<std::string, std::list<StoreEntry>::iterator> byKey_;
};

}  // namespace Passenger
