#include "bridge/Intake.h"

#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <span>
#include <utility>

#include "base/Exceptions.h"

namespace Passenger::Bridge {

namespace {

constexpr std::size_t EVENTS_AT_ONCE = 64;
/** Milliseconds between two looks at a queue that the kernel does not watch. */
constexpr int RETRY_INTERVAL = 200;

/** The two upper bits of an event's data. The rest is a number: of the place, or of the channel.
 *  Channels' ids begin with the machine's uptime in nanoseconds: 2^62 are 146 years. */
enum class Kind : std::uint8_t { NEWS, QUEUE, CONNECTION, CHANNEL };
constexpr unsigned KIND_SHIFT = 62;
constexpr std::uint64_t NUMBER = (std::uint64_t{1} << KIND_SHIFT) - 1;

constexpr std::uint64_t keyOf(Kind kind, std::uint64_t number) {
    return static_cast<std::uint64_t>(kind) << KIND_SHIFT | (number & NUMBER);
}

bool change(const FileDescriptor &epoll, int operation, int descriptor, std::uint32_t events, std::uint64_t key) {
    epoll_event event{events, {.u64 = key}};
    return epoll_ctl(epoll.get(), operation, descriptor, &event) == 0;
}

}  // namespace

Intake::Intake(HandoverPtr handover, const Place::Tools &tools, std::function<void()> idle, Helpers::Start startHelper,
               std::function<void()> unstarted)
    : tools_(tools),
      tellIdle_(std::move(idle)),
      most_(handover->threads),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      news_(makeEventDescriptor()),
      helpers_(std::move(startHelper), std::move(unstarted)),
      handover_(std::move(handover)),
      open_(!handover_->paused),
      queues_(epoll_, keyOf(Kind::QUEUE, 0)),
      message_(std::make_unique_for_overwrite<char[]>(MAX_MESSAGE + 1)),
      answer_(std::make_unique_for_overwrite<char[]>(Place::READ_SIZE)) {
    if (!epoll_ || !change(epoll_, EPOLL_CTL_ADD, news_.get(), EPOLLIN, keyOf(Kind::NEWS, 0))) {
        throw SystemException("epoll", errno);
    }
}

void Intake::run() {
    takeNews();
    settle();
    while (!finishing_ || inWork_ > 0) {
        turn();
        settle();
    }
    helpers_.finish();
}

void Intake::help() {
    // Not initialized: pages that no answer reaches take no memory.
    const auto buffer = std::make_unique_for_overwrite<char[]>(Place::READ_SIZE);
    helpers_.run([&](Place &place) {
        place.work({buffer.get(), Place::READ_SIZE});
        giveBack(place);
    });
}

/**
 * Waits for events once, and handles them. At most one message is taken: other instances may have
 * less to do. The message comes first, since no other instance may have been woken for it. After
 * it the loop may learn that it is to pause.
 */
void Intake::turn() {
    std::array<epoll_event, EVENTS_AT_ONCE> events{};
    // No event tells of a further message of a queue that is not watched.
    const int retry = took_ ? 0 : RETRY_INTERVAL;
    const int size = epoll_wait(epoll_.get(), events.data(), EVENTS_AT_ONCE, queues_.isMissing() ? retry : -1);
    if (size < 0 && errno != EINTR) {
        throw SystemException("epoll_wait", errno);
    }
    bool news = false;
    QueueWatch::Ready ready{};
    for (int index = 0; index < size; index++) {
        const std::uint64_t number = events[static_cast<std::size_t>(index)].data.u64 & NUMBER;
        switch (static_cast<Kind>(events[static_cast<std::size_t>(index)].data.u64 >> KIND_SHIFT)) {
            case Kind::NEWS:
                // The event stays until it was read. Events that did not fit may be of the queue.
                news = size < static_cast<int>(EVENTS_AT_ONCE);
                break;
            case Kind::QUEUE: ready.at(number) = true; break;
            case Kind::CONNECTION: connectionReady(static_cast<std::uint32_t>(number)); break;
            case Kind::CHANNEL: channelEnded(number); break;
        }
    }
    took_ = take(ready);
    if (news || queues_.atEnd()) {
        takeNews();
    }
}

/** Watches the queues only if a message could be taken now. */
void Intake::settle() {
    queues_.watch(mayTake_ && inWork_ < most_);
    if (!mayTake_ && inWork_ == 0) {
        tellIfIdle();
    }
}

bool Intake::take(const QueueWatch::Ready &ready) {
    const std::span<char> buffer(message_.get(), inWork_ < most_ ? MAX_MESSAGE + 1 : 0);
    const std::size_t size = queues_.take(ready, buffer, inWork_);
    if (size > 0) {
        begin({message_.get(), size});
    }
    return size > 0;
}

void Intake::begin(std::string_view message) {
    Entry &entry = freePlace();
    entry.state = State::HERE;
    inWork_++;
    Place &place = *entry.place;
    place.take(message, current_);
    const auto found = channels_.find(place.channelId());
    const bool known = found != channels_.end() && found->second.place == nullptr;
    const Place::Next next = place.begin(known ? found->second.channel : nullptr);
    if (next == Place::Next::ANSWER) {
        found->second.place = &place;
    }
    follow(entry, next);
}

/** One that has a connection, if possible. Fewer than most_ are in use. */
Intake::Entry &Intake::freePlace() {
    std::vector<std::uint32_t> &free = connected_.empty() ? bare_ : connected_;
    if (free.empty()) {
        places_.push_back({std::make_unique<Place>(tools_, static_cast<std::uint32_t>(places_.size()))});
        return places_.back();
    }
    Entry &entry = places_[free.back()];
    free.pop_back();
    return entry;
}

void Intake::follow(Entry &entry, Place::Next next) {
    switch (next) {
        case Place::Next::ANSWER: break;
        case Place::Next::WORK: giveAway(entry); break;
        case Place::Next::NONE: release(entry); break;
    }
}

/** A helper uses the connection in its own way, and finds by itself that the channel ends. */
void Intake::giveAway(Entry &entry) {
    forgetPlaceOf(*entry.place);
    if (entry.watched >= 0) {
        change(epoll_, EPOLL_CTL_DEL, entry.watched, 0, 0);
        entry.watched = -1;
    }
    entry.state = State::AWAY;
    helpers_.give(*entry.place);
}

void Intake::release(Entry &entry) {
    forgetPlaceOf(*entry.place);
    entry.state = State::FREE;
    inWork_--;
    if (entry.place->connection().descriptor() < 0) {
        entry.watched = -1;
    }
    (entry.watched < 0 ? bare_ : connected_).push_back(entry.place->index());
}

void Intake::forgetPlaceOf(const Place &place) {
    const auto found = channels_.find(place.channelId());
    if (found != channels_.end() && found->second.place == &place) {
        found->second.place = nullptr;
    }
}

void Intake::connectionReady(std::uint32_t index) {
    Entry &entry = places_[index];
    if (entry.state == State::HERE) {
        follow(entry, entry.place->proceed({answer_.get(), Place::READ_SIZE}));
    } else if (entry.state == State::FREE && entry.watched >= 0) {
        // Its end, or bytes that belong to no request. A connection that the loop no longer watches
        // was closed since epoll_wait told of it.
        entry.place->connection().close();
        entry.watched = -1;
        std::erase(connected_, index);
        bare_.push_back(index);
    }
}

/** The child closes its reply channels when it has no use for them, or for the answer. */
void Intake::channelEnded(std::uint64_t id) {
    const auto found = channels_.find(id);
    if (found == channels_.end()) {
        return;
    }
    change(epoll_, EPOLL_CTL_DEL, found->second.channel->end.get(), 0, 0);
    Place *place = found->second.place;
    channels_.erase(found);
    if (place != nullptr) {
        place->leave();
        release(places_[place->index()]);
    }
}

/** The end of a channel is found once, without any system call for a request. */
void Intake::watchChannel(ChannelPtr channel) {
    const std::uint64_t id = channel->id;
    WatchedChannel &watched = channels_[id];
    if (watched.channel == channel || watched.place != nullptr) {
        return;
    }
    if (watched.channel) {
        change(epoll_, EPOLL_CTL_DEL, watched.channel->end.get(), 0, 0);
    }
    watched.channel = std::move(channel);
    if (!change(epoll_, EPOLL_CTL_ADD, watched.channel->end.get(), EPOLLET, keyOf(Kind::CHANNEL, id))) {
        channels_.erase(id);
    }
}

void Intake::takeBack(Place &place) {
    Entry &entry = places_[place.index()];
    ChannelPtr channel = place.takeChannel();
    if (channel && place.handover() == current_) {
        watchChannel(std::move(channel));
    }
    const int descriptor = place.connection().descriptor();
    if (descriptor >= 0 &&
        change(epoll_, EPOLL_CTL_ADD, descriptor, EPOLLIN | EPOLLRDHUP, keyOf(Kind::CONNECTION, place.index()))) {
        entry.watched = descriptor;
    } else {
        place.connection().close();
    }
    release(entry);
}

void Intake::takeNews() {
    clearEvent(news_);
    std::vector<Place *> returned;
    HandoverPtr handover;
    {
        const LockGuard lock(mutex_);
        returned.swap(returned_);
        mayTake_ = open_;
        finishing_ = finished_;
        handover = handover_;
    }
    for (Place *place : returned) {
        takeBack(*place);
    }
    if (!current_ || (queues_.atEnd() && current_ != handover)) {
        changeHandover(handover);
    }
}

/** Channels of the former pool process have no meaning in messages of the next one. */
void Intake::changeHandover(HandoverPtr next) {
    while (!channels_.empty()) {
        const auto first = channels_.begin();
        if (first->second.place != nullptr) {
            giveAway(places_[first->second.place->index()]);
        }
        change(epoll_, EPOLL_CTL_DEL, first->second.channel->end.get(), 0, 0);
        channels_.erase(first);
    }
    current_ = std::move(next);
    queues_.use(current_);
}

void Intake::tellIfIdle() {
    const LockGuard lock(mutex_);
    if (!open_ && !finished_ && !std::exchange(idleTold_, true)) {
        tellIdle_();
    }
}

void Intake::giveBack(Place &place) {
    {
        const LockGuard lock(mutex_);
        returned_.push_back(&place);
    }
    wake();
}

void Intake::wake() const noexcept {
    setEvent(news_);
}

void Intake::pause() {
    {
        const LockGuard lock(mutex_);
        if (!open_) {
            return;
        }
        open_ = idleTold_ = false;
    }
    wake();
}

bool Intake::resume() {
    {
        const LockGuard lock(mutex_);
        if (open_ || finished_) {
            return false;
        }
        open_ = true;
    }
    wake();
    return true;
}

void Intake::replace(HandoverPtr handover) {
    {
        const LockGuard lock(mutex_);
        handover_ = std::move(handover);
        const bool wasOpen = std::exchange(open_, !finished_ && !handover_->paused);
        idleTold_ = idleTold_ && !(wasOpen && !open_);
    }
    wake();
}

void Intake::finish() {
    {
        const LockGuard lock(mutex_);
        open_ = false;
        finished_ = true;
    }
    wake();
}

}  // namespace Passenger::Bridge
