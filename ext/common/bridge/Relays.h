#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/Clock.h"
#include "base/FileDescriptor.h"
#include "bridge/Relay.h"
#include "bridge/Watch.h"

namespace Passenger::Bridge {

/** The connections that go on after their exchange. Owned by the Instance. */
class Relays {
public:
    /** @param most of them at once: each has two descriptors */
    Relays(std::size_t most, const Clock &clock);

    /** False, too, while many former clients' sockets wait for their close. */
    bool hasRoom() const noexcept;
    /** See Relay. */
    void add(FileDescriptor child, FileDescriptor application, std::string_view first,
             std::unique_ptr<AnswerParser> answer);
    std::size_t count() const noexcept { return entries_.size(); }
    /** The number of relays that have bytes for their client, or may get some. */
    std::size_t undelivered() const noexcept { return undelivered_; }
    /** From now on no answer that ends with its connection looks whole. */
    void noteDeathOfApplication() noexcept { applicationLives_ = false; }
    bool applicationLives() const noexcept { return applicationLives_; }
    /** How many of them are event streams. */
    std::size_t streams() const noexcept { return streams_; }
    /** Readable when turn() has events. */
    const FileDescriptor &descriptor() const noexcept { return epoll_; }
    /** The time of the next turn() at the latest. */
    std::optional<MonotonicTime> deadline() const;
    /** Handles all events, and deadlines up to `woken`: news of the application's end that came by
     *  then was noted. Does not wait. @throws SystemException */
    void turn(MonotonicTime woken);

private:
    using Id = std::uint64_t;

    struct Entry {
        std::unique_ptr<Relay> relay;
        /** Of each Side. */
        std::array<Watch, 2> watches;
        std::optional<MonotonicTime> deadline{};
        bool delivered = false;
    };

    void handle(Id id, Relay::Side side, std::uint32_t events);
    void expire(MonotonicTime woken);
    /** An error ends the relay alone. */
    void act(Id id, Entry &entry, const std::function<void(Relay &)> &action);
    void update(Id id, Entry &entry);
    void noteDelivered(Entry &entry) noexcept;
    static bool watch(Entry &entry, Relay::Side side, std::uint32_t wanted) noexcept;
    void remove(Id id);

    const std::size_t most_;
    const Clock &clock_;
    const FileDescriptor epoll_;
    std::size_t undelivered_ = 0;
    std::size_t streams_ = 0;
    bool applicationLives_ = true;
    Id nextId_ = 0;
    std::unordered_map<Id, Entry> entries_;
    std::set<std::pair<MonotonicTime, Id>> deadlines_;
    const std::unique_ptr<char[]> buffer_;
};

}  // namespace Passenger::Bridge
