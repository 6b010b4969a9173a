#include "bridge/Relays.h"

#include <sys/epoll.h>

#include <cerrno>
#include <exception>
#include <utility>

#include "base/DescriptorCloser.h"
#include "base/Exceptions.h"
#include "bridge/EventLog.h"

namespace Passenger::Bridge {

namespace {

/** The bytes of one read. */
constexpr std::size_t PIECE = 64 * 1024;
constexpr std::size_t EVENTS_AT_ONCE = 64;

}  // namespace

Relays::Relays(std::size_t most, const Clock &clock)
    : most_(most),
      clock_(clock),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      buffer_(std::make_unique_for_overwrite<char[]>(PIECE)) {
    throwUnless(epoll_, "epoll");
}

bool Relays::hasRoom() const noexcept {
    const DescriptorCloser *closer = DescriptorCloser::inUse();
    return count() < most_ && (closer == nullptr || closer->heldUp(ANY_SENDER) == 0);
}

void Relays::add(FileDescriptor child, FileDescriptor application, std::string_view first,
                 std::unique_ptr<AnswerParser> answer) {
    const Id id = nextId_++;
    auto relay =
        std::make_unique<Relay>(std::move(child), std::move(application), first, std::move(answer), clock_.now());
    undelivered_++;
    streams_ += relay->isEventStream() ? 1 : 0;
    Entry entry{std::move(relay), {Watch(epoll_, id * 2), Watch(epoll_, id * 2 + 1)}};
    update(id, entries_.emplace(id, std::move(entry)).first->second);
}

void Relays::turn(MonotonicTime woken) {
    std::array<epoll_event, EVENTS_AT_ONCE> events{};
    const int size = epoll_wait(epoll_.get(), events.data(), EVENTS_AT_ONCE, 0);
    if (size < 0 && errno != EINTR) {
        throw SystemException("epoll_wait", errno);
    }
    for (int index = 0; index < size; index++) {
        const epoll_event &event = events[static_cast<std::size_t>(index)];
        handle(event.data.u64 / 2, static_cast<Relay::Side>(event.data.u64 % 2), event.events);
    }
    expire(woken);
}

std::optional<MonotonicTime> Relays::deadline() const {
    return deadlines_.empty() ? std::nullopt : std::optional(deadlines_.begin()->first);
}

void Relays::handle(Id id, Relay::Side side, std::uint32_t events) {
    const auto found = entries_.find(id);
    if (found == entries_.end()) {
        return;
    }
    Entry &entry = found->second;
    if (entry.relay->awaitsChild()) {
        // Another socket takes its place.
        watch(entry, side, 0);
    }
    act(id, entry, [&](Relay &relay) { relay.handle(side, events, {buffer_.get(), PIECE}, clock_.now()); });
}

void Relays::expire(MonotonicTime woken) {
    while (!deadlines_.empty() && deadlines_.begin()->first <= woken) {
        const Id id = deadlines_.begin()->second;
        act(id, entries_.at(id), [&](Relay &relay) { relay.expire(woken, applicationLives_); });
    }
}

void Relays::act(Id id, Entry &entry, const std::function<void(Relay &)> &action) {
    try {
        action(*entry.relay);
    } catch (const std::exception &error) {
        EventLog::complain("request.failed", "error=" + EventLog::inQuotes(error.what()));
        remove(id);
        return;
    }
    update(id, entry);
}

/** Sets the events that the kernel watches for the relay, and the relay's deadline. Removes a relay
 *  that is over. */
void Relays::update(Id id, Entry &entry) {
    const Relay &relay = *entry.relay;
    if (relay.over() || !watch(entry, Relay::Side::CLIENT, relay.wanted(Relay::Side::CLIENT)) ||
        !watch(entry, Relay::Side::APPLICATION, relay.wanted(Relay::Side::APPLICATION))) {
        remove(id);
        return;
    }
    if (relay.delivered()) {
        noteDelivered(entry);
    }
    if (entry.deadline != relay.deadline()) {
        if (entry.deadline) {
            deadlines_.erase({*entry.deadline, id});
        }
        entry.deadline = relay.deadline();
        if (entry.deadline) {
            deadlines_.emplace(*entry.deadline, id);
        }
    }
}

void Relays::noteDelivered(Entry &entry) noexcept {
    undelivered_ -= std::exchange(entry.delivered, true) ? 0 : 1;
}

/** A side of which nothing is wanted is not watched: its hang-up would be an event again and
 *  again. */
bool Relays::watch(Entry &entry, Relay::Side side, std::uint32_t wanted) noexcept {
    return entry.watches[static_cast<std::size_t>(side)].set(entry.relay->descriptor(side), wanted);
}

/** The descriptors may be closed later (DescriptorCloser), and give no events until then. */
void Relays::remove(Id id) {
    const auto found = entries_.find(id);
    Entry &entry = found->second;
    watch(entry, Relay::Side::CLIENT, 0);
    watch(entry, Relay::Side::APPLICATION, 0);
    if (entry.deadline) {
        deadlines_.erase({*entry.deadline, id});
    }
    noteDelivered(entry);
    streams_ -= entry.relay->isEventStream() ? 1 : 0;
    entries_.erase(found);
}

}  // namespace Passenger::Bridge
