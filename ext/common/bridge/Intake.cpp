#include "bridge/Intake.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "base/Exceptions.h"
#include "base/Poll.h"

namespace Passenger::Bridge {

namespace {

constexpr std::size_t EVENTS_AT_ONCE = 64;
/** Milliseconds between two looks at a queue that the kernel does not watch. */
constexpr int RETRY_INTERVAL = 200;

/** So long after a turn with several events a bridge counts as busy. */
constexpr std::chrono::milliseconds BUSY_TIME{10};

/** The two upper bits of an event's data. The rest is a number: of the place, or of the channel.
 *  Channels' ids begin with the machine's uptime in nanoseconds: 2^62 are 146 years. */
enum class Kind : std::uint8_t { COMMON, QUEUE, CONNECTION, CHANNEL };
/** The number of COMMON behind those of the sources. */
constexpr std::uint64_t RELAYS = Intake::SOURCES;
constexpr unsigned KIND_SHIFT = 62;
constexpr std::uint64_t NUMBER = (std::uint64_t{1} << KIND_SHIFT) - 1;

constexpr std::uint64_t keyOf(Kind kind, std::uint64_t number) {
    return static_cast<std::uint64_t>(kind) << KIND_SHIFT | (number & NUMBER);
}

}  // namespace

Intake::Intake(HandoverPtr handover, const Place::Tools &tools)
    : tools_(tools),
      most_(handover->threads),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      open_(!handover->paused),
      queues_(epoll_, keyOf(Kind::QUEUE, 0)),
      memory_(std::make_unique_for_overwrite<char[]>(BodySource::BUFFER_SIZE)) {
    if (!epoll_ || !Watch(epoll_, keyOf(Kind::COMMON, RELAYS)).set(tools_.relays.descriptor().get(), EPOLLIN)) {
        throw SystemException("epoll", errno);
    }
    changeHandover(std::move(handover));
}

Watch Intake::watchFor(Source source) const noexcept {
    return {epoll_, keyOf(Kind::COMMON, source)};
}

/** The message comes first, since no other instance may have been woken for it. After it the
 *  Instance may learn that it is to pause. */
Intake::Ready Intake::turn(std::optional<MonotonicTime> until) {
    std::array<epoll_event, EVENTS_AT_ONCE> events{};
    const int size = epoll_wait(epoll_.get(), events.data(), EVENTS_AT_ONCE, timeout(until));
    if (size < 0 && errno != EINTR) {
        throw SystemException("epoll_wait", errno);
    }
    wokenAt_ = std::chrono::steady_clock::now();
    adaptScheduling(size);
    Ready others{};
    QueueWatch::Ready ready{};
    for (int index = 0; index < size; index++) {
        const epoll_event &event = events[static_cast<std::size_t>(index)];
        const std::uint64_t number = event.data.u64 & NUMBER;
        switch (static_cast<Kind>(event.data.u64 >> KIND_SHIFT)) {
            case Kind::COMMON: (number == RELAYS ? relaysReady_ : others.at(number)) = true; break;
            case Kind::QUEUE: ready.at(number) = true; break;
            case Kind::CONNECTION: connectionReady(static_cast<std::uint32_t>(number), event.events); break;
            case Kind::CHANNEL: channelReady(number, event.events); break;
        }
    }
    if (size == static_cast<int>(EVENTS_AT_ONCE) && open_ && !current_->own) {
        // The queue's event may not have fit.
        ready.at(static_cast<std::size_t>(QueueWatch::Source::COMMON)) = true;
    }
    took_ = take(ready);
    return others;
}

/** Several events at once tell of a busy bridge. A thread of httpd, or the application, then goes
 *  on until it waits, and the bridge finds more work at once. A single event would only be late. */
void Intake::adaptScheduling(int events) noexcept {
    if (events > 1) {
        busyAt_ = wokenAt_;
    }
    const bool busy = wokenAt_ - busyAt_ < BUSY_TIME;
    if (std::exchange(isBusy_, busy) != busy) {
        scheduling_.set(busy);
    }
}

/** Milliseconds up to the next deadline; -1: there is none. */
int Intake::timeout(std::optional<MonotonicTime> until) const {
    const auto first = deadlines_.empty() ? std::nullopt : std::optional(deadlines_.begin()->first);
    const auto next = earlier(earlier(first, tools_.relays.deadline()), until);
    const int left = next ? millisecondsUntil(*next) : -1;
    if (!queues_.isMissing()) {
        return left;
    }
    // No event tells of a further message of a queue that is not watched.
    const int retry = took_ ? 0 : RETRY_INTERVAL;
    return next ? std::min(left, retry) : retry;
}

/** Watches the queues only if a message could be taken now. */
bool Intake::settle() {
    expire();
    if (next_ && queues_.atEnd()) {
        changeHandover(std::exchange(next_, nullptr));
    }
    queues_.watch(open_ && inWork_ < most_);
    return !open_ && inWork_ == 0 && !std::exchange(idleTold_, true);
}

bool Intake::take(const QueueWatch::Ready &ready) {
    const std::size_t size = queues_.take(ready, inWork_ < most_ ? buffer_ : std::span<char>(), inWork_);
    if (size > 0) {
        Entry &entry = freePlace();
        inWork_++;
        entry.place->take({buffer_.data(), size}, current_) ? search(entry) : release(entry);
    }
    return size > 0;
}

/** One that has a connection, if possible. Fewer than most_ are in use. */
Intake::Entry &Intake::freePlace() {
    std::vector<std::uint32_t> &free = connected_.empty() ? bare_ : connected_;
    if (free.empty()) {
        const auto index = static_cast<std::uint32_t>(places_.size());
        places_.push_back({std::make_unique<Place>(tools_, index, Watch(epoll_, keyOf(Kind::CONNECTION, index)))});
        return places_.back();
    }
    Entry &entry = places_[free.back()];
    free.pop_back();
    return entry;
}

/** Begins the request if its channel is known. Without a channel the request is not claimed and not
 *  run: the child finds it not begun. */
void Intake::search(Entry &entry) {
    Place &place = *entry.place;
    const auto watched = channels_.find(place.channelId());
    WatchedChannel *channel = watched == channels_.end() ? nullptr : &watched->second;
    if (channel == nullptr) {
        const std::optional<ChannelPtr> found = tools_.channels.find(place.channelId(), entry.asked);
        if (!found) {
            if (std::exchange(entry.state, State::SEARCHING) != State::SEARCHING) {
                setDeadline(entry, std::chrono::steady_clock::now() + Channels::PATIENCE);
            }
            searching_.push_back(place.index());
            return;
        }
        channel = *found ? newChannel(*found) : nullptr;
    }
    if (channel == nullptr) {
        release(entry);
        return;
    }
    entry.state = State::BUSY;
    entry.channel = channel;
    channel->places.push_back(&place);
    place.begin(channel->channel, buffer_);
    update(entry);
}

/** Null: the kernel watches no more descriptors. */
Intake::WatchedChannel *Intake::newChannel(const ChannelPtr &channel) {
    const Watch watch(epoll_, keyOf(Kind::CHANNEL, channel->id));
    const auto entry = channels_.try_emplace(channel->id, WatchedChannel{channel, watch});
    WatchedChannel &watched = entry.first->second;
    if (watched.watch.set(channel->end.get(), EPOLLHUP)) {
        return &watched;
    }
    channels_.erase(entry.first);
    return nullptr;
}

void Intake::proceed(Entry &entry, const HttpExchange::Events &events) {
    entry.place->proceed(events, buffer_);
    update(entry);
}

void Intake::update(Entry &entry) {
    if (!entry.place->isBusy()) {
        release(entry);
        return;
    }
    setDeadline(entry, entry.place->wants().deadline);
    watch(*entry.channel);
}

void Intake::release(Entry &entry) {
    setDeadline(entry, std::nullopt);
    if (WatchedChannel *channel = std::exchange(entry.channel, nullptr)) {
        std::erase(channel->places, entry.place.get());
        watch(*channel);
    }
    entry.state = State::FREE;
    entry.asked = false;
    inWork_--;
    (entry.place->connection().descriptor() < 0 ? bare_ : connected_).push_back(entry.place->index());
}

/** The end of a channel is found without any system call for a request. */
void Intake::watch(WatchedChannel &channel) {
    std::uint32_t events = EPOLLHUP;
    for (const Place *place : channel.places) {
        events |= place->wants().channel;
    }
    channel.watch.set(channel.channel->end.get(), events);
}

void Intake::setDeadline(Entry &entry, std::optional<MonotonicTime> deadline) {
    const std::uint32_t index = entry.place->index();
    if (entry.deadline && entry.deadline != deadline) {
        deadlines_.erase({*entry.deadline, index});
    }
    entry.deadline = deadline;
    if (deadline) {
        deadlines_.emplace(*deadline, index);
    }
}

/** Deadlines that had passed when the turn had its events: these tell of the application's end
 *  first. */
void Intake::expire() {
    while (!deadlines_.empty() && deadlines_.begin()->first <= wokenAt_) {
        const std::uint32_t index = deadlines_.begin()->second;
        Entry &entry = places_[index];
        if (entry.state == State::BUSY) {
            setDeadline(entry, std::nullopt);
            proceed(entry, {});
        } else {
            std::erase(searching_, index);
            release(entry);
        }
    }
    const auto due = tools_.relays.deadline();
    if (std::exchange(relaysReady_, false) || (due && *due <= wokenAt_)) {
        tools_.relays.turn(wokenAt_);
    }
}

void Intake::connectionReady(std::uint32_t index, std::uint32_t events) {
    Entry &entry = places_[index];
    AppConnection &connection = entry.place->connection();
    if (!connection.isWatched()) {
        // It was closed since epoll_wait told of it.
        return;
    }
    if (entry.state == State::BUSY) {
        proceed(entry, {events, 0});
        return;
    }
    // Its end, or bytes that belong to no request.
    connection.close();
    if (entry.state == State::FREE) {
        std::erase(connected_, index);
        bare_.push_back(index);
    }
}

/** The child closes its reply channels when it has no use for them, or for the answer. */
void Intake::channelReady(std::uint64_t id, std::uint32_t events) {
    const auto found = channels_.find(id);
    if (found == channels_.end()) {
        return;
    }
    const bool ended = (events & (EPOLLHUP | EPOLLERR)) != 0;
    WatchedChannel &channel = found->second;
    for (Place *place : std::vector(channel.places)) {
        Entry &entry = places_[place->index()];
        if (ended) {
            place->leave();
            release(entry);
        } else {
            proceed(entry, {0, events});
        }
    }
    if (ended) {
        forget(channel);
    }
}

/** Others may have the channel still. */
void Intake::forget(WatchedChannel &channel) {
    channel.watch.set(channel.channel->end.get(), 0);
    channels_.erase(std::uint64_t{channel.channel->id});
}

void Intake::searchAgain() {
    for (const std::uint32_t index : std::exchange(searching_, {})) {
        search(places_[index]);
    }
}

/** Channels of the former pool process have no meaning in messages of the next one. */
void Intake::changeHandover(HandoverPtr next) {
    for (auto entry = channels_.begin(); entry != channels_.end();) {
        const auto channel = entry++;
        if (channel->second.places.empty()) {
            forget(channel->second);
        }
    }
    current_ = std::move(next);
    queues_.use(current_);
}

void Intake::pause() noexcept {
    idleTold_ = idleTold_ && !open_;
    open_ = false;
}

void Intake::replace(HandoverPtr handover) noexcept {
    if (handover->paused) {
        pause();
    } else {
        open_ = true;
    }
    next_ = std::move(handover);
}

}  // namespace Passenger::Bridge
