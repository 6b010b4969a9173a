#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/Clock.h"
#include "base/FileDescriptor.h"
#include "exchange/AppVersion.h"
#include "exchange/BodySender.h"
#include "exchange/QueueHost.h"
#include "exchange/Session.h"
#include "shm/Layouts.h"

namespace Passenger {

/**
 * The sender's side of one exchange over a request queue and a reply channel: the ticket's life (sent, waited for, withdrawn, sent again
 * under a new one). doc/PROTOCOLS.md, sections 1 to 3, is its specification; DESIGN's verdict stands at withdraw(): nothing here is decided
 * by time or by the queue's order. How it ended is counted in the Group's statistics.
 *
 * Owned by a Session; one thread at a time. The destructor ends the exchange: a request still in the line is withdrawn, an instance that
 * is at it finds its channel shut down.
 */
class Exchange {
public:
    /** What happened. */
    struct Event {
        enum class Kind { MESSAGE, LOST, REFUSED, CLIENT_LEFT, TIMED_OUT, BROKEN };
        Kind kind;
        /** MESSAGE: of an instance, for this exchange. The payload lies in the caller's buffer behind the header. */
        MessageHeader header{};
        std::span<char> payload{};
        std::vector<FileDescriptor> descriptors{};
        std::uint16_t status = 0;
        std::string reportId{};
        std::string text{};
    };

    explicit Exchange(QueueHostPtr host) : host_(std::move(host)), limits_(host_->limits()) {}
    ~Exchange();
    Exchange(const Exchange &) = delete;
    Exchange &operator=(const Exchange &) = delete;

    /** Queues the request. @throws RefusedException (503: too many wait already), IOException, SystemException */
    void start(const Session::Request &request, std::uint8_t flags);
    /** Waits for the next event. REFUSED with 504 is a request that waited too long. @param buffer of MAX_MESSAGE bytes at least */
    Event receive(std::span<char> buffer, const Session::Client &client, std::chrono::milliseconds timeout);
    /** As Session::sendBody(). @throws SystemException */
    std::size_t sendBody(std::string_view block, bool last);
    bool bodyDone() const noexcept {
        return body_.done();
    }
    /** As Session::breakBody(). The channel serves no other exchange then. */
    void breakBody() noexcept;
    /** As Session::excuse(). */
    void excuse(std::chrono::nanoseconds time) noexcept {
        if (begunAt_) {
            *begunAt_ += time;
        }
    }
    /** Whether receive() would return at once. */
    bool replyWaiting();
    /** As Session::awaitReply(). @throws SystemException */
    Session::Waited awaitReply(int writable, std::chrono::milliseconds timeout);
    /** As Session::version(). */
    std::optional<AppVersion> version() const noexcept;
    /** The last message was received: the channel may serve another exchange if the body was taken too. Only a stream goes on, until
     *  this is destroyed. */
    void complete() noexcept;

private:
    enum class Standing { NOT_BEGUN, BEGUN, ANSWERED };
    /** A receive() that is waiting. */
    struct Wait {
        Session::Client client;
        std::optional<MonotonicTime> deadline;
        /** A second has passed. */
        bool looked;
    };

    void relink(Generation unusable);
    void enqueue();
    RequestHeader requestHeader() const noexcept;
    void admit(unsigned inFlight, std::uint32_t capacity);
    [[noreturn]] void refuse(const std::string &text);
    void dequeued() noexcept;
    void countCompleted() noexcept;
    std::chrono::nanoseconds waited() const noexcept;
    void abandon() noexcept;
    Event resend();
    Standing withdraw(std::span<char> buffer);
    std::optional<bool> settle(std::span<char> buffer, Event &event);
    bool clientLeft(std::span<char> buffer, Event &event);
    bool waitOnce(Wait &wait, std::span<char> buffer, Event &event);
    std::optional<MonotonicTime> queueDeadline() const noexcept;
    std::optional<MonotonicTime> workDeadline() const noexcept;
    bool workIsUp() const noexcept;
    void begunAt(MonotonicTime time) noexcept;
    void noteBegun() noexcept;
    Event overran();
    std::chrono::milliseconds lookInterval() const noexcept;
    void agentDied() noexcept;
    std::chrono::milliseconds timeLeft(const std::optional<MonotonicTime> &deadline) const noexcept;
    bool takeMessage(std::span<char> buffer, ReplyChannel::Waiting waiting = ReplyChannel::Waiting::NEVER);
    ReplyChannel::Waiting firstWait(const Wait &wait) const noexcept;
    bool owedWaits();
    void dropChannel() noexcept;
    void forgetBody() noexcept;
    void discard();
    bool look(std::span<char> buffer, Event &event);
    bool overtaken() noexcept;
    bool lookForEnd(bool died, std::span<char> buffer, Event &event);
    bool leaveQueue(std::span<char> buffer, Event &event);
    bool deliver(Event &event);
    bool handleMessage(std::span<char> buffer, Event &event);
    bool handleHint(std::span<char> buffer, Event &event);
    bool claimed() const noexcept;
    bool mayRepeat() const noexcept;
    Event lost(bool killed = false);
    Event channelEnded();
    Event finish(Event::Kind kind, bool clean);
    Event giveUp(Event::Kind kind, std::span<char> buffer);
    bool takePending(std::span<char> buffer, Event &event);
    bool collect(bool lookAround);
    bool sendBlock(std::string_view block, bool last, std::size_t &taken);

    const QueueHostPtr host_;
    const QueueLimits limits_;
    QueueLinkPtr link_;
    std::unique_ptr<ReplyChannel> channel_;
    Session::Request request_;
    Ticket ticket_;
    std::uint16_t resends_ = 0;
    std::uint8_t flags_ = 0;

    /** When this ticket was sent. */
    MonotonicTime sentAt_;
    /** Since when the request waits for an instance, under whatever ticket. */
    MonotonicTime waitingSince_;
    /** How long the ticket waited, as the instance says. */
    std::chrono::microseconds queued_{0};
    /** Once so many requests have had their answer, this ticket was surely taken. 0: it was not looked at yet. */
    std::uint64_t overtakenAt_ = 0;
    /** How many had it when that was asked last. */
    std::uint64_t completedBefore_ = 0;
    /** Of the agent that gave the line; -1 once it has died. */
    int agentLife_ = -1;
    bool agentDied_ = false;
    /** It found room in the line, and keeps its place when it is sent again. */
    bool admitted_ = false;
    /** Counted in flight, for this child slot. */
    bool counted_ = false;
    std::uint32_t childSlot_ = 0;
    /** The claim was seen: an instance has it. */
    bool begun_ = false;
    /** When it was begun, or seen to be. */
    std::optional<MonotonicTime> begunAt_;
    /** Something of the answer was received: it will not be sent again. */
    bool answered_ = false;
    bool retried_ = false;
    bool over_ = false;
    bool clean_ = false;
    /** There was no place in the line when it was started last. */
    bool refused_ = false;
    bool clientGone_ = false;

    BodySender body_;

    std::size_t messageSize_ = 0;
    std::vector<FileDescriptor> descriptors_;
    std::size_t discarded_ = 0;
    /** Found by sendBody() while the channel took nothing; the next receive() delivers it. */
    std::optional<Event> pending_;
    std::vector<char> lookBuffer_;
};

}  // namespace Passenger
