#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/FileDescriptor.h"
#include "base/Mutex.h"
#include "bridge/Handover.h"
#include "bridge/Helpers.h"
#include "bridge/Place.h"
#include "bridge/QueueWatch.h"

namespace Passenger::Bridge {

/**
 * Takes messages from the queues, and works at their requests, in the event loop of one thread. So
 * requests that come together, and answers that come together, wake one thread once. The loop never
 * waits for one request: a request that needs a wait goes to a helper with its place.
 *
 * The loop watches the connections of places that it has, and the reply channels that requests have
 * used. A channel ends when its child has no use for an answer.
 *
 * Owned by the Instance. One thread calls run(), helpers call help(), and other threads pause,
 * resume, replace and finish.
 */
class Intake {
public:
    /**
     * @param idle called with the lock held, when a paused intake has no request
     * @param startHelper starts a thread that calls help(); see Helpers
     */
    Intake(
        HandoverPtr handover, const Place::Tools &tools, std::function<void()> idle, Helpers::Start startHelper,
        std::function<void()> unstarted = [] {});

    /** The loop. Returns when the intake is finished and no request is left.
     *  @throws SystemException */
    void run();
    /** The function of a helper's thread, up to its end. */
    void help();
    /** See Helpers, also startAgain(). */
    bool startFirst() { return helpers_.startFirst(); }
    void startAgain() { helpers_.startAgain(); }
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
    enum class State : std::uint8_t { FREE, HERE, AWAY };
    struct Entry {
        std::unique_ptr<Place> place;
        State state = State::FREE;
        /** The connection that the loop watches, or -1. */
        int watched = -1;
    };
    /** A reply channel that the loop watches. */
    struct WatchedChannel {
        ChannelPtr channel;
        /** The place of the channel's present request, if the loop has the request. */
        Place *place = nullptr;
    };

    void turn();
    void settle() EXCLUDES(mutex_);
    bool take(const QueueWatch::Ready &ready);
    void begin(std::string_view message);
    Entry &freePlace();
    void follow(Entry &entry, Place::Next next);
    void giveAway(Entry &entry);
    void release(Entry &entry);
    void forgetPlaceOf(const Place &place);
    void connectionReady(std::uint32_t index);
    void channelEnded(std::uint64_t id);
    void watchChannel(ChannelPtr channel);
    void takeBack(Place &place);
    void takeNews() EXCLUDES(mutex_);
    void changeHandover(HandoverPtr next);
    void tellIfIdle() EXCLUDES(mutex_);
    void giveBack(Place &place) EXCLUDES(mutex_);
    void wake() const noexcept;

    const Place::Tools &tools_;
    const std::function<void()> tellIdle_;
    const std::uint32_t most_;
    const FileDescriptor epoll_;
    /** Wakes the loop. */
    const FileDescriptor news_;
    std::atomic<std::size_t> inWork_{0};
    Helpers helpers_;

    Mutex mutex_{Locks::BRIDGE_INTAKE};
    HandoverPtr handover_ GUARDED_BY(mutex_);
    bool open_ GUARDED_BY(mutex_);
    bool finished_ GUARDED_BY(mutex_) = false;
    /** The present pause was told. */
    bool idleTold_ GUARDED_BY(mutex_) = false;
    /** Places whose requests helpers have brought to their end. */
    std::vector<Place *> returned_ GUARDED_BY(mutex_);

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
    std::unordered_map<std::uint64_t, WatchedChannel> channels_;
    const std::unique_ptr<char[]> message_;
    const std::unique_ptr<char[]> answer_;
};

}  // namespace Passenger::Bridge
