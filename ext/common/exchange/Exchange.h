#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "exchange/AppVersion.h"
#include "exchange/MessageRequest.h"
#include "exchange/QueueHost.h"
#include "exchange/ReplySource.h"
#include "exchange/ReplyWait.h"
#include "exchange/RequestProgress.h"

namespace Passenger {

/**
 * The sender's side of one exchange over a request queue and a reply channel. Waits for the answer,
 * the client's leaving and the limits, and sends the request's body. RequestProgress takes each
 * step of the request.
 *
 * Owned by a Session; one thread at a time. The destructor ends the exchange: a request in the
 * queue is withdrawn, and an instance that has begun finds its channel shut down.
 */
class Exchange {
public:
    using Event = RequestProgress::Event;

    /** @param options must stay unchanged while the exchange lives */
    Exchange(QueueHostPtr host, const Options &options) : progress_(std::move(host), options) {}

    /**
     * Puts the request into the queue.
     * @throws QueueFullException: start() may be called again
     * @throws RefusedException, IOException, SystemException
     */
    void start(const MessageRequest &request, std::uint8_t flags) {
        client_ = request.client;
        progress_.start(request, flags);
    }
    /** Waits for the next event. REFUSED with 504: the request waited too long.
     *  @param buffer MAX_MESSAGE bytes at least */
    Event receive(std::span<char> buffer, const MessageRequest::Client &client, std::chrono::milliseconds timeout);
    /** See MessageSession::sendBody(). @throws SystemException */
    std::size_t sendBody(std::string_view block, bool last);
    bool bodyDone() const noexcept { return progress_.sender().body().done(); }
    /** See MessageSession::breakBody(). No other exchange uses the channel afterwards. */
    void breakBody() noexcept;
    /** See ReplySource::excuse(). */
    void excuse(std::chrono::nanoseconds time) noexcept { progress_.times().excuse(time); }
    /** Whether receive() would return at once. */
    bool replyWaiting();
    /** See ReplySource::awaitReply(). @throws SystemException */
    ReplySource::Waited awaitReply(int socket, ReplySource::Awaited awaited, std::chrono::milliseconds timeout);
    /** See MessageSession::times(). */
    std::optional<ExchangeTimes::Durations> times() const noexcept {
        return progress_.times().begun() ? std::optional(progress_.times().durations()) : std::nullopt;
    }
    /** See MessageSession::instance(). */
    pid_t instance() const noexcept { return progress_.instance(); }
    /** See MessageSession::version(). */
    std::optional<AppVersion> version() const noexcept { return progress_.sender().version(); }
    /** The caller received the last message. Only a stream continues, until the exchange is
     *  destroyed. @param whole the instance has not broken the answer off */
    void complete(bool whole = true) noexcept { progress_.complete(whole); }

    /** See MessageSession::giveUp(). */
    void giveUp(RequestProgress::End why) noexcept {
        if (!progress_.over()) {
            progress_.giveUp(why);
        }
    }

private:
    /** Why collect() is called: a message may be there, or none came for a while. */
    enum class Cause { MESSAGE, LOOK };
    /** What waitOnce() waits for: a message, or room for the request's body, too. */
    enum class For { REPLY, ROOM };

    std::optional<MonotonicTime> queueDeadline() const noexcept;
    std::chrono::milliseconds lookInterval() const noexcept;
    std::chrono::milliseconds timeLeft(const std::optional<MonotonicTime> &deadline) const noexcept;
    ReplyChannel::Waiting firstWait(std::chrono::milliseconds timeout) const noexcept;
    std::optional<Event> pollBriefly(std::span<char> buffer);
    std::optional<Event> nextMessage(std::span<char> buffer,
                                     ReplyChannel::Waiting waiting = ReplyChannel::Waiting::NEVER);
    template <typename Step> std::optional<Event> attempt(const Step &step);
    std::optional<Event> ready(std::span<char> buffer);
    std::optional<Event> waitOnce(ReplyWait &wait, std::span<char> buffer, For purpose);
    Event takePending(std::span<char> buffer);
    bool collect(Cause cause);
    std::span<char> lookBuffer();
    bool sendBlock(std::string_view block, bool last, std::size_t &taken);
    bool owedBodyWaits();
    void forgetBody() noexcept;

    RequestProgress progress_;
    MessageRequest::Client client_{-1};
    /** An event that was found while the body was sent. The next receive() returns it. */
    std::optional<Event> pending_;
    std::vector<char> lookBuffer_;
};

}  // namespace Passenger
