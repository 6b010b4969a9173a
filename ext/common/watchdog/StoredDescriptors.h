#pragma once

#include <cstddef>
#include <list>
#include <string>
#include <unordered_map>

#include "base/DescriptorLimit.h"
#include "base/DescriptorSender.h"
#include "base/LogLimit.h"
#include "watchdog/StoreEntry.h"

namespace Passenger {

/**
 * The descriptors that pool processes have stored with the watchdog, in the order in which their
 * keys were first stored.
 *
 * Owned by the watchdog and by the anchor, whose main threads use it. Always true: keys are unique,
 * and the limits hold. So a pool process that was taken over takes from its owner neither the
 * memory nor the descriptors that the next one needs.
 */
class StoredDescriptors {
public:
    struct Limits {
        std::size_t entries = 65536;
        /** Half of what the process may open. */
        std::size_t descriptors = descriptorLimit() / 2;
        /** Of keys and notes. */
        std::size_t bytes = std::size_t{64} * 1024 * 1024;
    };

    StoredDescriptors() : StoredDescriptors(Limits()) {}
    explicit StoredDescriptors(Limits limits) : limits_(limits) {}

    /**
     * Stores an entry. It takes the place of an entry with the same key.
     * @return false if the store is full, which is logged: the new entry's descriptors are then
     *     closed, and an earlier one with the same key stays
     */
    bool put(StoreEntry entry);
    /** How many descriptors a process may have to open that stores those of so many instances. */
    static constexpr std::size_t wantedFor(std::size_t instances) noexcept { return 2 * FOR_EACH_INSTANCE * instances; }
    /** @return false if there is no such entry */
    bool remove(const std::string &key);
    void clear();

    const std::list<StoreEntry> &entries() const noexcept { return entries_; }
    std::size_t size() const noexcept { return entries_.size(); }

private:
    /** Its pidfd, control socket, output and claims, and the queues of an application that has one
     *  instance: two, or three with PassengerPriorityQueue. */
    static constexpr std::size_t FOR_EACH_INSTANCE = 7;

    std::string excess(std::size_t descriptors, std::size_t bytes, std::size_t entries) const;

    const Limits limits_;
    std::size_t descriptors_ = 0;
    std::size_t bytes_ = 0;
    LogLimit lines_;
    std::list<StoreEntry> entries_;
    std::unordered_map<std::string, std::list<StoreEntry>::iterator> byKey_;
};

/** Whether it is of a kind that a pool process stores: a pidfd, a pipe, a Unix socket, or sealed
 *  shared memory. A file of another kind may have a file system that does not answer its close. */
bool isStorable(const FileDescriptor &descriptor) noexcept;

/** Whether a quarter of what this process may open is the sender's and waits to be closed
 *  (DescriptorCloser). No store counts these descriptors, so the sender is to be ended. */
bool holdsTooMany(DescriptorSender sender) noexcept;

}  // namespace Passenger
