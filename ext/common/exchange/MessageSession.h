#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/FileDescriptor.h"
#include "exchange/AppVersion.h"
#include "exchange/HttpdThreads.h"
#include "shm/FairnessKey.h"
#include "shm/Layouts.h"
#include "shm/RequestLabel.h"

namespace Passenger {

/** The result of MessageSession::receive(). */
struct Reply {
    enum class Kind {
        /** The head of the answer, perhaps with first body bytes. */
        RESPONSE,
        /** Body bytes. */
        DATA,
        /** A 1xx answer; the final answer follows. */
        INTERIM,
        /** The application has taken over the client's connection (`stream`), and writes the head
         *  itself. The exchange is over. */
        HIJACKED,
        /** The application failed in the middle of its answer. The received part must not look
         *  complete. The exchange is over. */
        ABORTED,
        /** The instance with the request died, and the request was not, or may not be, sent again.
         *  The exchange is over. */
        LOST,
        /** No instance could be made, or the application is overloaded: status, report id and text
         *  have the reason. The exchange is over. */
        REFUSED,
        /** The client has left. A request that waited in the queue was withdrawn; an instance that
         *  has begun finds its channel shut down. The exchange is over. */
        CLIENT_LEFT,
        /** The deadline passed. A request that waited in the queue was withdrawn. The exchange is
         *  over. */
        TIMED_OUT,
        /** The channel carried a message that the protocol does not allow; text names it. The
         *  exchange is over. */
        BROKEN
    };

    Kind kind = Kind::BROKEN;
    /** RESPONSE, DATA: nothing follows. */
    bool last = false;
    std::uint16_t status = 0;
    /** RESPONSE: the instance that answers, for QueueChoice::ofInstance() of the client's next
     *  request. 0: sticky sessions are off. */
    std::uint32_t stickyId = 0;
    /** RESPONSE, INTERIM: header lines, each "Name: value\r\n". Valid until the next receive() and
     *  as long as the buffer. */
    std::string_view head;
    /** RESPONSE, DATA: body bytes, inside the caller's buffer. */
    std::span<char> body;
    /** DATA: the bytes are those of a file that the application has sent (Request::takesFile). No
     *  instance works for the answer any more, and the next bytes are always there. */
    bool fromFile = false;
    /** DATA, with `last`: the trailer fields as lines, as in `head`. Inside the caller's buffer. */
    std::string_view trailers;
    /** REFUSED, by start(): the queue has reached its limit. start() may be called again, since the
     *  queue may have room in a moment. */
    bool queueFull = false;
    /** A stream socket whose other end only the application has. HIJACKED: all bytes between the
     *  application and the client. RESPONSE, if the application took over the connection: all bytes
     *  after this head; `body` has the first of them, and no reply follows. */
    FileDescriptor stream{};
    /** With `stream`: the instance waits for a TransferAnswer as the first byte on the stream. */
    bool wantsClient = false;
    /** REFUSED: the report's id. */
    std::string reportId;
    /** REFUSED: the reason, for people. BROKEN: the fault. */
    std::string text;

    /** Whether the exchange is over with this reply. */
    bool ends() const noexcept {
        return last || (kind != Kind::RESPONSE && kind != Kind::DATA && kind != Kind::INTERIM);
    }
};

/**
 * One exchange with an application in messages: start(), sendBody() until the last block, receive()
 * until a reply that ends(). The destructor ends the exchange in any state, and frees its instance.
 *
 * Owned by the caller of get(Options), which uses it from one thread at a time. A session must not
 * outlive its pool.
 */
class MessageSession {
public:
    /** The client of the answer. The session watches for its leaving whenever it waits. */
    struct Client {
        /** @param itsSocket -1: there is none */
        Client(int itsSocket) noexcept : socket(itsSocket) {}  // NOLINT(google-explicit-constructor)
        /** A client without a socket. @param itHasLeft is called with `it` several times a second,
         *  and never waits */
        Client(bool (*itHasLeft)(const void *) noexcept, const void *it) noexcept : hasLeft(itHasLeft), of(it) {}

        int socket = -1;
        bool (*hasLeft)(const void *) noexcept = nullptr;
        const void *of = nullptr;
    };

    struct Request {
        /** "NAME\0value\0…", at most 1 MiB. Must stay unchanged until the first reply was received,
         *  since it may be sent again. */
        std::string_view environment;
        /** The body, if it is complete and small; else empty. Same lifetime. */
        std::string_view body;
        /** The body follows by sendBody(), or is in bodyFile. */
        bool bodyFollows = false;
        bool headRequest = false;
        /** GET, HEAD, OPTIONS: the request may be sent again, once, if its instance dies before the
         *  first byte of the answer. */
        bool retryable = false;
        /** The caller can give the client's own socket to an application that takes the connection
         *  over (Reply::wantsClient). */
        bool transferable = false;
        /** The caller can give the client's own socket also in the middle of an answer: no filter
         *  of httpd works on its body. */
        bool streamTransferable = false;
        /** The client takes trailer fields. Else Reply::trailers is empty. */
        bool takesTrailers = false;
        /** The application may send the rest of the answer's body as an open file, whose bytes
         *  receive() reads. */
        bool takesFile = false;
        /** A file with the whole body, from its start. -1: none. The application gets the
         *  descriptor, which should not allow writing. Not for applications that speak HTTP. Must
         *  stay open until the first reply was received. */
        int bodyFile = -1;
        std::uint64_t bodyFileSize = 0;
        /** Called when bodyFile was sent to an instance of this application, which may keep it; may
         *  be empty. Never waits. */
        std::function<void(DescriptorSender)> bodyFileGiven{};
        /** Called when bodyFile is sent in pieces, since the application has not taken
         *  BodyFilesInFlight::MOST files before it; may be empty. Never waits. */
        std::function<void()> bodyInPieces{};
        /** What the agent tells people about the request. Same lifetime; may be empty. */
        RequestLabel label{};
        /** Hashes with the secret whose request it is. Requests with the same hash are those of one
         *  client, which may not take the places of others (FairnessKey). Empty: the request has no
         *  key, and such requests may take all places. Called by start(). Never waits. */
        std::function<std::uint64_t(const FairnessKey::Secret &)> fairnessHash{};
        /** What RequestOptions::maxInFlight is compared with, beside the requests in flight. May be
         *  empty: nothing is. Called by start(). Never waits. */
        std::function<HttpdThreads()> threads{};
        /** For sendBody(). */
        Client client{-1};
    };

    /** The largest buffer that a message needs. */
    static constexpr std::size_t BUFFER_SIZE = MAX_MESSAGE;

    virtual ~MessageSession() = default;
    /** Ends the session. Its owner's pointer calls this. */
    virtual void release() noexcept { delete this; }

    /** Puts the request into the application's queue. Does not wait for an instance.
     *  @return nothing, or the REFUSED reply with the reason why the application takes no request.
     *  @throws IOException, SystemException (the agent cannot be reached, the environment exceeds
     *  its limit) */
    virtual std::optional<Reply> start(const Request &request) = 0;

    /** Sends a block of the request body, of any size. `last` (with or without bytes) ends the
     *  body. Waits while the instance does not take the block.
     *  @return the number of bytes that were taken. Fewer than given, perhaps 0: a reply waits.
     *  Then receive() it first, and send the rest unless the reply ends the exchange. With an empty
     *  last block: see bodyDone(). */
    virtual std::size_t sendBody(std::string_view block, bool last) = 0;
    /** Whether sendBody(…, true) has sent everything. */
    virtual bool bodyDone() const = 0;

    /** Ends the body before its end: an application that reads the body finds it broken off. The
     *  answer continues. */
    virtual void breakBody() = 0;
    /** For this time the caller waited for the client and did not read the answer. The time does
     *  not count for Options::maxRequestTime. */
    virtual void excuse(std::chrono::nanoseconds time) = 0;

    /** Why the caller receives no further reply. */
    enum class End {
        /** The caller has what it needs of the answer. */
        TAKEN,
        /** The client has left, or did not send its whole body. */
        CLIENT_LEFT,
        /** The answer is malformed. */
        MALFORMED
    };
    /** Ends the exchange, unless it is over. The application's statistics count the request as
     *  answered, given up or lost. Without this call, a whole answer counts as answered, and
     *  another begun request as lost. */
    virtual void giveUp(End why) noexcept = 0;

    /** Waits for the next reply.
     *  @param buffer at least BUFFER_SIZE bytes
     *  @param timeout of this wait; negative: no limit */
    virtual Reply receive(std::span<char> buffer, const Client &client, std::chrono::milliseconds timeout) = 0;
    /** Whether receive() would return at once. If not, the application pauses, and the caller
     *  flushes to the client. */
    virtual bool replyWaiting() = 0;
    /** The version that answers, from the first reply until the next start(). Nothing: the version
     *  is unknown. */
    virtual std::optional<AppVersion> version() const = 0;

    /** How long the request waited in the queue, and how long an instance has worked at it until
     *  now. Nothing: no reply of an instance came. */
    struct Times {
        std::chrono::nanoseconds queue;
        std::chrono::nanoseconds service;
    };
    virtual std::optional<Times> times() const = 0;
    /** The process that answers, as the kernel says: no process can name another one. 0: no reply
     *  of an instance came, or the kernel does not say. */
    virtual pid_t instance() const = 0;

    /** What awaitReply() found. */
    struct Waited {
        bool reply;
        bool socket;
    };
    /** What awaitReply() awaits of the socket. */
    enum class Awaited { ROOM, BYTES, EITHER };
    /** Between start() and the last reply: waits for a reply, or for room or bytes in a socket, for
     *  `timeout` and at most a second. A wait for bytes does not count for Options::maxRequestTime
     *  if the instance has all earlier ones. */
    virtual Waited awaitReply(int socket, Awaited awaited, std::chrono::milliseconds timeout) = 0;
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
