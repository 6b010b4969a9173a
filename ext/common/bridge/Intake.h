#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/BatchScheduling.h"
#include "base/Clock.h"
#include "base/FileDescriptor.h"
#include "bridge/Handover.h"
#include "bridge/Place.h"
#include "bridge/QueueWatch.h"
#include "bridge/Watch.h"

namespace Passenger::Bridge {

/**
 * The bridge's event loop: takes messages from the queues, and works at their requests. So requests
 * that come together, and answers that come together, wake the bridge once. The loop waits for all
 * events and for the next deadline, and never for one request.
 *
 * The loop watches the places' connections, and the reply channels that requests have used. A
 * channel ends when its child has no use for an answer. The loop also moves the Relays, and watches
 * for the Instance, which owns it.
 */
class Intake {
public:
    /** What the loop watches for the Instance. */
    enum Source : std::uint8_t { CONTROL, APPLICATION, SIGNALS, SOURCES };
    using Ready = std::array<bool, SOURCES>;

    Intake(HandoverPtr handover, const Place::Tools &tools);

    Watch watchFor(Source source) const noexcept;
    /**
     * Waits for events once, until the next deadline or `until`, and handles them. settle() follows
     * when the Instance has handled its own. At most one message is taken: other instances may have
     * less to do.
     * @throws SystemException
     */
    Ready turn(std::optional<MonotonicTime> until);
    /** Moves the Relays, handles deadlines, and prepares the next turn. True, once for each pause:
     *  no request is left. */
    bool settle();
    /** Requests may find their channels now. */
    void searchAgain();
    /** Takes no more messages until resume(). */
    void pause() noexcept;
    /** False: the intake was not paused. */
    bool resume() noexcept { return !std::exchange(open_, true); }
    /** Another pool process serves. Its handover is used as soon as the queue of the former one,
     *  which has ended, is empty. */
    void replace(HandoverPtr handover) noexcept;
    /** How many requests were taken and have not ended. */
    std::size_t inWork() const noexcept { return inWork_; }

private:
    enum class State : std::uint8_t {
        FREE,
        /** The request's reply channel is not known yet. */
        SEARCHING,
        BUSY
    };
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

    void adaptScheduling(int events) noexcept;
    int timeout(std::optional<MonotonicTime> until) const;
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
    void expire();
    void connectionReady(std::uint32_t index, std::uint32_t events);
    void channelReady(std::uint64_t id, std::uint32_t events);
    void changeHandover(HandoverPtr next);

    const Place::Tools &tools_;
    const std::uint32_t most_;
    const FileDescriptor epoll_;
    std::size_t inWork_ = 0;
    const BatchScheduling scheduling_;
    /** When a turn had several events last, and whether the policy is the one for a busy bridge. */
    MonotonicTime busyAt_ = MonotonicTime() - std::chrono::hours(1);
    bool isBusy_ = false;
    /** Messages are taken. */
    bool open_;
    /** settle() has told the present pause. */
    bool idleTold_ = false;
    QueueWatch queues_;
    /** The handover that the queues belong to. */
    HandoverPtr current_;
    /** The handover for the time when they have ended, if there is one. */
    HandoverPtr next_;
    /** When the last turn had its events. */
    MonotonicTime wokenAt_;
    /** The last turn has taken a message. */
    bool took_ = false;
    bool relaysReady_ = false;
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
