#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/FileDescriptor.h"
#include "exchange/AnswerFile.h"
#include "exchange/AppVersion.h"
#include "exchange/Exchange.h"
#include "exchange/MessageRequest.h"
#include "exchange/Reply.h"
#include "exchange/ReplySource.h"
#include "shm/Layouts.h"

namespace Passenger {

/**
 * One exchange with an application in messages: start(), sendBody() until the last block, receive()
 * until a reply that ends(). The destructor ends the exchange in any state, and frees its instance.
 *
 * Owned by the caller of get(Options), which uses it from one thread at a time. A session must not
 * outlive its pool.
 */
class MessageSession : public ReplySource {
public:
    using Client = MessageRequest::Client;
    using Request = MessageRequest;
    using End = RequestProgress::End;
    using Times = ExchangeTimes::Durations;

    /** The largest buffer that a message needs. */
    static constexpr std::size_t BUFFER_SIZE = MAX_MESSAGE;

    /** @param options must stay unchanged while the session lives */
    MessageSession(QueueHostPtr host, const Options &options) : exchange_(std::move(host), options) {}
    /** Ends the session. Its owner's pointer calls this. */
    virtual void release() noexcept { delete this; }

    /** Puts the request into the application's queue. Does not wait for an instance.
     *  @return nothing, or the REFUSED reply with the reason why the application takes no request.
     *  @throws IOException, SystemException (the agent cannot be reached, the environment exceeds
     *  its limit) */
    std::optional<Reply> start(const Request &request);

    /** Sends a block of the request body, of any size. `last` (with or without bytes) ends the
     *  body. Waits while the instance does not take the block.
     *  @return the number of bytes that were taken. Fewer than given, perhaps 0: a reply waits.
     *  Then receive() it first, and send the rest unless the reply ends the exchange. With an empty
     *  last block: see bodyDone(). @throws SystemException */
    std::size_t sendBody(std::string_view block, bool last) { return exchange_.sendBody(block, last); }
    /** Whether sendBody(…, true) has sent everything. */
    bool bodyDone() const noexcept { return exchange_.bodyDone(); }

    /** Ends the body before its end: an application that reads the body finds it broken off. The
     *  answer continues. */
    void breakBody() noexcept { exchange_.breakBody(); }
    void excuse(std::chrono::nanoseconds time) noexcept override { exchange_.excuse(time); }
    /** Ends the exchange, unless it is over. The application's statistics count the request as
     *  answered, given up or lost. Without this call, a begun request counts as lost. An
     *  exchange that is over has been counted. */
    void giveUp(End why) noexcept { exchange_.giveUp(why); }

    /** Waits for the next reply.
     *  @param buffer at least BUFFER_SIZE bytes
     *  @param timeout of this wait; negative: no limit */
    Reply receive(std::span<char> buffer, const Client &client, std::chrono::milliseconds timeout);
    bool replyWaiting() override { return file_ || exchange_.replyWaiting(); }
    Waited awaitReply(int socket, Awaited awaited, std::chrono::milliseconds timeout) override {
        return exchange_.awaitReply(socket, awaited, timeout);
    }
    /** The version that answers, from the first reply until the next start(). Nothing: the version
     *  is unknown. */
    std::optional<AppVersion> version() const noexcept { return exchange_.version(); }
    /** How long the request waited in the queue, and how long an instance has worked at it until
     *  now, or until its last message. Nothing: no reply of an instance came. */
    std::optional<Times> times() const noexcept { return exchange_.times(); }
    /** The process that answers, as the kernel says: no process can name another one. 0: no reply
     *  of an instance came, or the kernel does not say. */
    pid_t instance() const noexcept { return exchange_.instance(); }

private:
    std::optional<Reply> replyFor(Exchange::Event &event);
    std::optional<Reply> beginHead(const Exchange::Event &event);
    std::optional<Reply> addToHead(const Exchange::Event &event);
    bool takeStream(Exchange::Event &event);
    const char *takeFile(Exchange::Event &event);
    Reply nextOfFile(std::span<char> buffer);

    Exchange exchange_;
    /** A head that came in several messages. */
    std::string head_;
    std::uint32_t headLength_ = 0;
    MessageType headType_ = MessageType::RESPONSE;
    std::uint16_t status_ = 0;
    std::uint32_t stickyId_ = 0;
    bool headComplete_ = false;
    /** The stream of an application that took over the connection. The head of its answer may
     *  arrive later. */
    FileDescriptor stream_;
    bool wantsClient_ = false;
    /** The rest of the answer. The exchange is over. */
    std::optional<AnswerFile> file_;
    /** Members of the Request. */
    bool transferable_ = false;
    bool takesFile_ = false;
};

/** The deleter of MessageSessionPtr. A pool may keep a session's memory for its next session. */
struct SessionRelease {
    SessionRelease() noexcept = default;
    template <typename Made>
    SessionRelease(const std::default_delete<Made> &) noexcept {}  // NOLINT(google-explicit-constructor)

    void operator()(MessageSession *session) const noexcept { session->release(); }
};

using MessageSessionPtr = std::unique_ptr<MessageSession, SessionRelease>;

}  // namespace Passenger
