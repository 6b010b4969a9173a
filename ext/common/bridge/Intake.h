#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/Clock.h"
#include "base/FileDescriptor.h"
#include "base/Mutex.h"
#include "bridge/Handover.h"
#include "bridge/Place.h"
#include "bridge/QueueWatch.h"
#include "bridge/Watch.h"

namespace Passenger::Bridge {

/**
 * Takes messages from the queues, and works at their requests, in the event loop of one thread. So
 * requests that come together, and answers that come together, wake one thread once. The loop waits
 * for all events and for the next deadline, and never for one request.
 *
 * The loop watches the places' connections, and the reply channels that requests have used. A
 * channel ends when its child has no use for an answer. The loop also moves the Relays.
 *
 * Owned by the Instance. One thread calls run(), and other threads the rest.
 */
class Intake {
public:
    /** @param idle called with the lock held, when a paused or finished intake has no request */
    Intake(HandoverPtr handover, const Place::Tools &tools, std::function<void()> idle);

    /** The loop. Returns when the intake is finished, and no request and no relay is left.
     *  @throws SystemException */
    void run();
    /** A request may find its channel now. */
    void noteChannels() const noexcept { wake(); }
    /** Takes no more messages until resume(). */
    void pause() EXCLUDES(mutex_);
    /** False: the intake was not paused, or it is finished. */
    bool resume() EXCLUDES(mutex_);
    /** Another pool process serves. Its handover is used as soon as the queue of the former one,
     *  which has ended, is empty. */
    void replace(HandoverPtr handover) EXCLUDES(mutex_);
    /** Takes no more messages. */
    void finish() EXCLUDES(mutex_);
    /** How many requests were taken and have not ended. From any thread. */
    std::size_t inWork() const noexcept { return inWork_; }

private:
    enum class State : std::uint8_t {
        FREE,
        /** The request's reply channel is not known yet. */
        SEARCHING,
        BUSY
    };
    /** A reply channel that the loop watches. */
    struct WatchedChannel {
        ChannelPtr channel;
        Watch watch;
        /** Busy ones, whose requests have the channel: one, unless a request was sent again. */
        std::vector<Place *> places{};
    };
    struct Entry {
        std::unique_ptr<Place> place;
        State state = State::FREE;
        /** SEARCHING: see Channels::find(). */
        bool asked = false;
        /** BUSY: that of the request. */
        WatchedChannel *channel = nullptr;
        std::optional<MonotonicTime> deadline{};
    };

    void turn();
    int timeout() const;
    void settle() EXCLUDES(mutex_);
    bool take(const QueueWatch::Ready &ready);
    Entry &freePlace();
    void search(Entry &entry);
    WatchedChannel *newChannel(const ChannelPtr &channel);
    void proceed(Entry &entry, const HttpExchange::Events &events);
    void update(Entry &entry);
    void release(Entry &entry);
    static void watch(WatchedChannel &channel);
    void forget(WatchedChannel &channel);
    void setDeadline(Entry &entry, std::optional<MonotonicTime> deadline);
    void expire(MonotonicTime now);
    void connectionReady(std::uint32_t index, std::uint32_t events);
    void channelReady(std::uint64_t id, std::uint32_t events);
    void takeNews() EXCLUDES(mutex_);
    void changeHandover(HandoverPtr next);
    void tellIfIdle() EXCLUDES(mutex_);
    void wake() const noexcept;

    const Place::Tools &tools_;
    const std::function<void()> tellIdle_;
    const std::uint32_t most_;
    const FileDescriptor epoll_;
    /** Wakes the loop. */
    const FileDescriptor news_;
    std::atomic<std::size_t> inWork_{0};

    Mutex mutex_{Locks::BRIDGE_INTAKE};
    HandoverPtr handover_ GUARDED_BY(mutex_);
    bool open_ GUARDED_BY(mutex_);
    bool finished_ GUARDED_BY(mutex_) = false;
    /** The present pause, or the end, was told. */
    bool idleTold_ GUARDED_BY(mutex_) = false;

    // Of the loop's thread:
    QueueWatch queues_;
    /** The handover that the queues belong to. */
    HandoverPtr current_;
    bool mayTake_ = false;
    bool finishing_ = false;
    /** The last turn has taken a message. */
    bool took_ = false;
    /** The places, in the order of their numbers. */
    std::vector<Entry> places_;
    /** Numbers of free places: with a connection, without one. The last one is used first. */
    std::vector<std::uint32_t> connected_;
    std::vector<std::uint32_t> bare_;
    /** Those that are SEARCHING. The first one has waited longest. */
    std::vector<std::uint32_t> searching_;
    std::unordered_map<std::uint64_t, WatchedChannel> channels_;
    std::set<std::pair<MonotonicTime, std::uint32_t>> deadlines_;
    const std::unique_ptr<char[]> memory_;
    const std::span<char> buffer_{memory_.get(), BodySource::BUFFER_SIZE};
};

}  // namespace Passenger::Bridge
