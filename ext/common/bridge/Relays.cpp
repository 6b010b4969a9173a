#include "bridge/Relays.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <limits>
#include <utility>

#include "base/DescriptorCloser.h"
#include "base/Exceptions.h"
#include "bridge/EventLog.h"

namespace Passenger::Bridge {

namespace {

/** The bytes of one read. */
constexpr std::size_t PIECE = 64 * 1024;
constexpr std::size_t EVENTS_AT_ONCE = 64;
constexpr std::uint64_t NEWS = std::numeric_limits<std::uint64_t>::max();

}  // namespace

Relays::Relays(std::size_t most, std::function<void()> streamEnded, const Clock &clock)
    : most_(most),
      streamEnded_(std::move(streamEnded)),
      clock_(clock),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      news_(makeEventDescriptor()),
      buffer_(std::make_unique_for_overwrite<char[]>(PIECE)) {
    epoll_event event{EPOLLIN, {.u64 = NEWS}};
    if (!epoll_ || epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, news_.get(), &event) != 0) {
        throw SystemException("epoll", errno);
    }
}

bool Relays::hasRoom() const noexcept {
    const DescriptorCloser *closer = DescriptorCloser::inUse();
    return count_ < most_ && (closer == nullptr || closer->heldUp(ANY_SENDER) == 0);
}

void Relays::add(FileDescriptor child, FileDescriptor application, std::string_view first,
                 std::unique_ptr<AnswerParser> answer) {
    const bool isStream = answer != nullptr;
    auto relay =
        std::make_unique<Relay>(std::move(child), std::move(application), first, std::move(answer), clock_.now());
    {
        const LockGuard lock(mutex_);
        new_.push_back(std::move(relay));
        // Before the loop can end it.
        count_++;
        undelivered_++;
        streams_ += isStream ? 1 : 0;
    }
    setEvent(news_);
}

void Relays::runOnce(std::chrono::milliseconds longest) {
    std::array<epoll_event, EVENTS_AT_ONCE> events{};
    const int size = epoll_wait(epoll_.get(), events.data(), EVENTS_AT_ONCE, timeout(longest));
    if (size < 0 && errno != EINTR) {
        throw SystemException("epoll_wait", errno);
    }
    for (int index = 0; index < size; index++) {
        const epoll_event &event = events[static_cast<std::size_t>(index)];
        if (event.data.u64 == NEWS) {
            takeNew();
        } else {
            handle(event.data.u64 / 2, static_cast<Relay::Side>(event.data.u64 % 2), event.events);
        }
    }
    expire(clock_.now());
}

/** Milliseconds for which the loop may sleep. */
int Relays::timeout(std::chrono::milliseconds longest) const {
    if (!deadlines_.empty()) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadlines_.begin()->first - clock_.now());
        longest = std::clamp(left, std::chrono::milliseconds::zero(), longest);
    }
    return static_cast<int>(longest.count());
}

void Relays::takeNew() {
    clearEvent(news_);
    std::vector<std::unique_ptr<Relay>> relays;
    {
        const LockGuard lock(mutex_);
        relays.swap(new_);
    }
    for (std::unique_ptr<Relay> &relay : relays) {
        const Id id = nextId_++;
        update(id, entries_.emplace(id, Entry{std::move(relay), {}, {}}).first->second);
    }
}

void Relays::handle(Id id, Relay::Side side, std::uint32_t events) {
    const auto found = entries_.find(id);
    if (found == entries_.end()) {
        return;
    }
    Entry &entry = found->second;
    if (entry.relay->awaitsChild()) {
        // Another socket takes its place.
        watch(id, entry, side, 0);
    }
    act(id, entry, [&](Relay &relay) { relay.handle(side, events, {buffer_.get(), PIECE}, clock_.now()); });
}

void Relays::expire(MonotonicTime now) {
    while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
        const Id id = deadlines_.begin()->second;
        act(id, entries_.at(id), [&](Relay &relay) { relay.expire(now, applicationLives_); });
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
    if (relay.over() || !watch(id, entry, Relay::Side::CLIENT, relay.wanted(Relay::Side::CLIENT)) ||
        !watch(id, entry, Relay::Side::APPLICATION, relay.wanted(Relay::Side::APPLICATION))) {
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
bool Relays::watch(Id id, Entry &entry, Relay::Side side, std::uint32_t wanted) const noexcept {
    const auto index = static_cast<std::size_t>(side);
    std::uint32_t &watched = entry.watched[index];
    if (watched == wanted) {
        return true;
    }
    const int operation = watched == 0 ? EPOLL_CTL_ADD : wanted == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
    epoll_event event{wanted, {.u64 = id * 2 + index}};
    watched = wanted;
    return epoll_ctl(epoll_.get(), operation, entry.relay->descriptor(side), &event) == 0;
}

/** The descriptors may be closed later (DescriptorCloser), and give no events until then. */
void Relays::remove(Id id) {
    const auto found = entries_.find(id);
    Entry &entry = found->second;
    watch(id, entry, Relay::Side::CLIENT, 0);
    watch(id, entry, Relay::Side::APPLICATION, 0);
    if (entry.deadline) {
        deadlines_.erase({*entry.deadline, id});
    }
    noteDelivered(entry);
    const bool isStream = entry.relay->isEventStream();
    entries_.erase(found);
    count_--;
    if (isStream) {
        streams_--;
        streamEnded_();
    }
}

}  // namespace Passenger::Bridge
