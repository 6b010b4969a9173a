#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/SystemClock.h"
#include "exchange/QueueHost.h"
#include "io/RequestQueue.h"
#include "io/SocketPair.h"
#include "shm/Claims.h"
#include "shm/GenerationTable.h"
#include "shm/GenerationTableView.h"
#include "shm/InFlightTable.h"
#include "shm/SenderMemory.h"

namespace Passenger {

/**
 * An application's queue. The test itself sends and receives what the agent and instances do
 * (doc/PROTOCOLS.md, sections 1 to 3). Serves exchanges, which run in the same thread: a test may
 * send an instance's answer before the exchange waits for it.
 */
class FakeHost final : public QueueHost {
public:
    static constexpr std::uint32_t SLOT = 5;

    /** A request as an instance takes it. */
    struct Request {
        RequestHeader header{};
        std::string environment;
        std::string body;
    };
    /** A message that a child sent on a reply channel. */
    struct Message {
        MessageHeader header{};
        std::string payload;
        std::vector<FileDescriptor> descriptors{};
    };

    FakeHost();

    /** The next request in the queue; fails the test when there is none. */
    Request take();
    bool hasRequest() const;
    /** Requests are for an instance that has a queue of its own, as long as that is open. */
    void haveInstance() { own_.emplace(); }
    Request takeOwn();
    void closeOwnQueue() { own_->shutDown(); }
    /** Takes the next request in the queue, once there is one, and answers "hello", as an instance
     *  does. @return the ticket */
    std::uint64_t serveNext();
    /** Claims the request in the cell of an instance's first thread. */
    void claim(const Request &request);
    void clearClaim();
    const Claims &claims() const noexcept { return claims_; }
    std::uint64_t mark() const;
    void clearMark() { senders_.reset(ChannelId(channelsMade)); }
    /** Sends on the channel that was made last (or prepare()d). Messages of the agent have the
     *  channel's secret. @param descriptor -1: none */
    void send(MessageType type, std::uint64_t ticket, const std::string &head = "", const std::string &body = "",
              bool last = false, std::uint16_t status = 200, int descriptor = -1);
    void sendRaw(const std::string &message, int descriptor = -1);
    /** The next message of the child; waits for it. Empty at the channel's end. */
    std::optional<Message> receive();
    /** Whether a message of the child is there. */
    bool hasMessage() const;
    /** BODY messages until the last one. */
    std::string receiveBody();

    /** Goes on sending, but takes nothing more. */
    void refuseBody();

    /** Makes the channel that the next exchange will get. */
    void prepare();
    /** Another queue, which is the current one from now on. */
    void nextGeneration();
    void closeQueue() { queues_.back().shutDown(); }
    void setCapacity(std::uint32_t capacity) { setInstances({capacity, ClaimsLayout::CELLS, 0, capacity}); }
    void setInstances(const InstanceCounts &instances) { table_.publish(SLOT, generation_, instances); }
    /** The queue is paused, or was until then. */
    void pause(MonotonicTime until) { table_.publishPause(SLOT, until); }
    unsigned inFlight() const { return senders_.inFlight(1); }
    std::size_t inFlightEntries() const;

    QueueLinkPtr link(const Options &options, Generation unusable) override;
    std::unique_ptr<ReplyChannel> takeChannel(const QueueLink &link) override;
    void giveBack(std::unique_ptr<ReplyChannel> channel, bool clean) noexcept override;
    InFlightTable &inFlightTable() override { return inFlightTable_; }
    BodyFilesInFlight &bodyFiles() noexcept override { return bodyFiles_; }
    QueueDelay &queueDelay() noexcept override { return queueDelay_; }
    BusyPolling &busyPolling() noexcept override { return busyPolling_; }
    std::uint32_t childSlot() const override { return 0; }
    const GenerationTableView &generations() const override { return view_; }
    void wakeAgent() noexcept override { woken++; }
    void awaitsAnswer(unsigned /*inFlight*/, unsigned /*capacity*/) noexcept override {}
    void tellOverrun(const QueueLink & /*link*/, ChannelId channel, Ticket ticket,
                     std::chrono::milliseconds /*time*/) noexcept override {
        overrun.emplace_back(channel, ticket);
    }
    bool tellSlow(const QueueLink & /*link*/, ChannelId channel, Ticket ticket,
                  std::chrono::milliseconds /*time*/) noexcept override {
        slow.emplace_back(channel, ticket);
        return true;
    }
    int agentLife() const noexcept override { return life_ ? life_->second.get() : -1; }
    /** There is an agent whose death can be noticed. */
    void haveAgent() { life_ = makeSeqPacketPair(); }
    void killAgent() { life_->first.reset(); }
    std::optional<MonotonicTime> endOfWaiting() const noexcept override { return lastWait; }
    const Clock &clock() const noexcept override { return clock_; }
    /** Time goes on by so much at once now. */
    void advance(std::chrono::nanoseconds time) { clock_.offset += time; }
    GroupStatistics statistics() const { return senders_.statistics(1); }

    /** link() throws it if the caller cannot use the present queue. */
    std::optional<RefusedException> refusal;
    /** The agent was replaced: its queues belong to another epoch, and it ends in its turn when it
     *  is asked for a channel. */
    bool agentEnds = false;
    /** New generations are closed, too. */
    bool closesAlways = false;
    /** Those of all exchanges. The queue has no limit, unless a test sets one. */
    Options options;
    /** The process ends then. */
    std::optional<MonotonicTime> lastWait;
    /** In the RESPONSEs that are sent: how long the request waited, in microseconds. */
    std::uint32_t queued = 0;
    /** In the RESPONSEs that are sent: the sticky id of the instance. */
    std::uint32_t stickyId = 0;
    unsigned woken = 0;
    /** What was told to have taken too long. */
    std::vector<std::pair<ChannelId, Ticket>> overrun;
    /** What was told to be slow. */
    std::vector<std::pair<ChannelId, Ticket>> slow;
    unsigned channelsMade = 0;
    unsigned cleanEnds = 0;
    unsigned dirtyEnds = 0;

private:
    static Request takeFrom(const RequestQueue &queue);

    /**
     * Goes on by 10 ms at each look, and by what a test adds (FakeHost::advance()). So a deadline
     * passes after a number of looks, and not because the machine is slow. Exchanges wait in real
     * time. After a real minute the clock is a day ahead, so an exchange that waits in vain ends.
     */
    struct SteppingClock final : Clock {
        MonotonicTime now() const override {
            const auto inVain = SystemClock::instance().now() - begin > std::chrono::minutes(1) ? 24 : 0;
            return begin + ++looks * std::chrono::milliseconds(10) + offset + std::chrono::hours(inVain);
        }
        const MonotonicTime begin = SystemClock::instance().now();
        mutable std::atomic<int> looks{0};
        std::chrono::nanoseconds offset{0};
    };

    SteppingClock clock_;
    std::optional<DescriptorPair> life_;
    Claims claims_;
    SenderMemory senders_;
    GenerationTable table_;
    GenerationTableView view_;
    InFlightTable inFlightTable_;
    BodyFilesInFlight bodyFiles_;
    QueueDelay queueDelay_;
    BusyPolling busyPolling_{2};
    Generation generation_;
    std::vector<RequestQueue> queues_;
    std::optional<RequestQueue> own_;
    std::vector<std::unique_ptr<ReplyChannel>> free_;
    FileDescriptor instanceEnd_;
    /** The secret of all channels. */
    const ChannelSecret secret_ = ChannelSecret::random();
};

}  // namespace Passenger
