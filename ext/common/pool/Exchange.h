#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/FileDescriptor.h"
#include "io/Layouts.h"
#include "pool/BodySender.h"
#include "pool/QueueHost.h"
#include "pool/Session.h"

namespace Passenger {

/**
 * The sender's side of one exchange over a request queue and a reply channel: the ticket's life (sent, waited for, withdrawn, sent again
 * under a new one). doc/PROTOCOLS.md, sections 1 to 3, is its specification; DESIGN's verdict stands at withdraw(): nothing here is decided
 * by time or by the queue's order.
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

    explicit Exchange(QueueHostPtr host) : host_(std::move(host)) {}
    ~Exchange();
    Exchange(const Exchange &) = delete;
    Exchange &operator=(const Exchange &) = delete;

    /** Queues the request. @throws RefusedException, IOException, SystemException */
    void start(const Session::Request &request, std::uint8_t flags);
    /** Waits for the next event. @param buffer of MAX_MESSAGE bytes at least */
    Event receive(std::span<char> buffer, int clientSocket, std::chrono::milliseconds timeout);
    /** As Session::sendBody(). @throws SystemException, EndOfFileException */
    std::size_t sendBody(std::string_view block, bool last);
    bool bodyDone() const noexcept {
        return body_.done();
    }
    /** Whether receive() would return at once. */
    bool replyWaiting();
    /** The last message was received: the channel may serve another exchange if the body was taken too. */
    void complete() noexcept {
        over_ = true;
        clean_ = body_.done();
    }

private:
    enum class Standing { NOT_BEGUN, BEGUN, ANSWERED };

    void relink(Generation unusable);
    void enqueue();
    void dequeued() noexcept;
    Event resend();
    Standing withdraw(std::span<char> buffer);
    bool takeMessage(std::span<char> buffer);
    void discard();
    bool look(std::span<char> buffer, Event &event);
    bool handleMessage(std::span<char> buffer, Event &event);
    bool handleHint(std::span<char> buffer, Event &event);
    bool claimed() const noexcept;
    bool mayRepeat() const noexcept;
    Event lost();
    Event channelEnded();
    Event finish(Event::Kind kind, bool clean);
    Event giveUp(Event::Kind kind, std::span<char> buffer);
    bool takePending(std::span<char> buffer, Event &event);
    bool collect(bool lookAround);

    QueueHostPtr host_;
    QueueLinkPtr link_;
    std::unique_ptr<ReplyChannel> channel_;
    Session::Request request_;
    Ticket ticket_;
    std::uint16_t resends_ = 0;
    std::uint8_t flags_ = 0;

    /** Counted in flight, for this child slot. */
    bool counted_ = false;
    std::uint32_t childSlot_ = 0;
    /** The claim was seen: an instance has it. */
    bool begun_ = false;
    /** Something of the answer was received: it will not be sent again. */
    bool answered_ = false;
    bool retried_ = false;
    bool over_ = false;
    bool clean_ = false;
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
