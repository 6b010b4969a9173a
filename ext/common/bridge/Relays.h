#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/Clock.h"
#include "base/FileDescriptor.h"
#include "base/Mutex.h"
#include "bridge/Relay.h"

namespace Passenger::Bridge {

/**
 * The connections that go on after their exchange, all in the event loop of one thread.
 *
 * Owned by the Instance. Helpers call hasRoom() and add(); any thread reads the counts; one thread
 * calls run().
 */
class Relays {
public:
    /**
     * @param most of them at once: each has two descriptors
     * @param streamEnded called by the loop's thread when an event stream has ended
     */
    Relays(std::size_t most, std::function<void()> streamEnded, const Clock &clock);

    /** False, too, while many former clients' sockets wait for their close. */
    bool hasRoom() const noexcept;
    /** See Relay. */
    void add(FileDescriptor child, FileDescriptor application, std::string_view first,
             std::unique_ptr<AnswerParser> answer) EXCLUDES(mutex_);
    /** The number of relays that have not ended. */
    std::size_t count() const noexcept { return count_; }
    /** The number of relays that have bytes for their client, or may get some. */
    std::size_t undelivered() const noexcept { return undelivered_; }
    /** From now on no answer that ends with its connection looks whole. Any thread may call it. */
    void noteDeathOfApplication() noexcept { applicationLives_ = false; }
    /** How many of them are event streams. */
    std::size_t streams() const noexcept { return streams_; }
    [[noreturn]] void run() {
        for (;;) {
            runOnce(std::chrono::hours(1));
        }
    }
    /** Waits for the next event, at most for `longest`, and handles all events.
     *  @throws SystemException */
    void runOnce(std::chrono::milliseconds longest);

private:
    using Id = std::uint64_t;

    struct Entry {
        std::unique_ptr<Relay> relay;
        /** The events that the kernel watches for each Side. */
        std::array<std::uint32_t, 2> watched{};
        std::optional<MonotonicTime> deadline;
        bool delivered = false;
    };

    int timeout(std::chrono::milliseconds longest) const;
    void takeNew() EXCLUDES(mutex_);
    void handle(Id id, Relay::Side side, std::uint32_t events);
    void expire(MonotonicTime now);
    /** An error ends the relay alone. */
    void act(Id id, Entry &entry, const std::function<void(Relay &)> &action);
    void update(Id id, Entry &entry);
    void noteDelivered(Entry &entry) noexcept;
    bool watch(Id id, Entry &entry, Relay::Side side, std::uint32_t wanted) const noexcept;
    void remove(Id id);

    const std::size_t most_;
    const std::function<void()> streamEnded_;
    const Clock &clock_;
    const FileDescriptor epoll_;
    /** Wakes the loop. */
    const FileDescriptor news_;
    std::atomic<std::size_t> count_{0};
    std::atomic<std::size_t> undelivered_{0};
    std::atomic<std::size_t> streams_{0};
    std::atomic<bool> applicationLives_{true};
    Mutex mutex_{Locks::BRIDGE_RELAYS};
    std::vector<std::unique_ptr<Relay>> new_ GUARDED_BY(mutex_);
    // Of the loop's thread:
    Id nextId_ = 0;
    std::unordered_map<Id, Entry> entries_;
    std::set<std::pair<MonotonicTime, Id>> deadlines_;
    const std::unique_ptr<char[]> buffer_;
};

}  // namespace Passenger::Bridge
