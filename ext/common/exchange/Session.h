#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/FileDescriptor.h"
#include "exchange/AppVersion.h"
#include "shm/Layouts.h"

namespace Passenger {

/** What Session::receive() brings. */
struct Reply {
    enum class Kind {
        /** The head of the answer, perhaps with first body bytes. */
        RESPONSE,
        /** Body bytes. */
        DATA,
        /** A 1xx answer; the real one follows. */
        INTERIM,
        /** The application has taken the client's connection over, and writes the head itself:
         *  `stream`. The exchange is over. */
        HIJACKED,
        /** The application failed in the middle of its answer: what was received must not look
         *  whole. The exchange is over. */
        ABORTED,
        /** The instance that had the request died, and it was not (or may not be) sent again. The
         *  exchange is over. */
        LOST,
        /** No instance could be made, or the application is overloaded: status, report id and text
         *  say why. The exchange is over. */
        REFUSED,
        /** The client closed its connection while the request still waited in the queue; it was
         *  withdrawn. The exchange is over. */
        CLIENT_LEFT,
        /** The deadline passed; an exchange that was still in the queue is withdrawn. The exchange
         *  is over. */
        TIMED_OUT,
        /** The channel carried what the protocol does not allow; text says what. The exchange is
         *  over. */
        BROKEN
    };

    Kind kind = Kind::BROKEN;
    /** RESPONSE, DATA: nothing follows. */
    bool last = false;
    std::uint16_t status = 0;
    /** RESPONSE: the instance that answers, for Options::stickyId of the client's next request. 0:
     *  sticky sessions are off. */
    std::uint32_t stickyId = 0;
    /** RESPONSE, INTERIM: header lines, each "Name: value\r\n". Valid until the next receive() and
     *  as long as the buffer. */
    std::string_view head;
    /** RESPONSE, DATA: body bytes, inside the caller's buffer. */
    std::span<char> body;
    /** REFUSED, by start(): as many wait as may. start() may be called again, for there may be a
     *  place in a moment. */
    bool queueFull = false;
    /** HIJACKED: all that the application and the client have to say to each other. RESPONSE: the
     *  same after this head, where the application wants that; nothing follows then but the first
     *  bytes from there, in the body. A stream socket whose other end only the application has. */
    FileDescriptor stream{};
    /** REFUSED: the report's id. */
    std::string reportId;
    /** REFUSED: why, for people. BROKEN: what was wrong. */
    std::string text;

    /** Whether the exchange is over with this reply. */
    bool ends() const noexcept {
        return last || (kind != Kind::RESPONSE && kind != Kind::DATA && kind != Kind::INTERIM);
    }
};

/**
 * One exchange with an application: one request, one answer. Destroying it ends the exchange,
 * whatever its state, and frees its instance.
 *
 * Owned by who got it from ApplicationPool::get() or Pool::get(), who uses it from one thread at a
 * time. It must not outlive its pool.
 *
 * It is used in one of two ways. *Messages* (httpd's module): start(), sendBody() until the last
 * block, receive() until a reply that ends(). *Stream* (the interface of Passenger 1.0):
 * sendHeaders(), sendBodyBlock(), closeWriter(), getReader(), closeReader().
 */
class Session {
public:
    struct Request {
        /** "NAME\0value\0…", at most 1 MiB. Must stay as it is until the first reply was received
         *  (it may be sent again). */
        std::string_view environment;
        /** The body, where it is here and small; else empty. Same lifetime. */
        std::string_view body;
        /** The body follows by sendBody(), or is bodyFile's. */
        bool bodyFollows = false;
        bool headRequest = false;
        /** GET, HEAD, OPTIONS: may be sent again, once, when its instance dies before the first
         *  byte of the answer. */
        bool retryable = false;
        /** A body that lies whole in a file, from its start: the descriptor goes to the
         *  application, which should not be able to write there. -1: none. Only in the form of
         *  messages, and not to applications that speak HTTP. Must stay open as long. */
        int bodyFile = -1;
        std::uint64_t bodyFileSize = 0;
    };

    /** Whom the answer is for: watched for leaving while the request is in the queue. */
    struct Client {
        /** @param itsSocket -1: there is none */
        Client(int itsSocket) noexcept : socket(itsSocket) {}  // NOLINT(google-explicit-constructor)
        /** One that no socket tells about. @param itHasLeft is asked with `it` several times a
         *  second, and never waits */
        Client(bool (*itHasLeft)(const void *) noexcept, const void *it) noexcept : hasLeft(itHasLeft), of(it) {}

        int socket = -1;
        bool (*hasLeft)(const void *) noexcept = nullptr;
        const void *of = nullptr;
    };

    /** Largest buffer a message can need. */
    static constexpr std::size_t BUFFER_SIZE = MAX_MESSAGE;

    virtual ~Session() = default;
    /** Ends it, when who got it lets go of it. */
    virtual void release() noexcept {
        delete this;
    }

    /** Puts the request into the application's line. Does not wait for an instance.
     *  @return nothing, or the REFUSED reply that says why the application takes no request now.
     *  @throws IOException, SystemException (the agent cannot be reached, the environment is over
     *  its limit) */
    virtual std::optional<Reply> start(const Request &request) = 0;

    /** Sends a block of the request body; any size. `last` (with or without bytes) ends it. Waits
     *  while the instance does not take it.
     *  @return how many bytes were taken. Fewer than given (perhaps 0): a reply waits; receive() it
     *  first, then go on with the rest, unless the reply ends the exchange. With an empty last
     *  block: see bodyDone(). */
    virtual std::size_t sendBody(std::string_view block, bool last) = 0;
    /** Whether sendBody(…, true) got through whole. */
    virtual bool bodyDone() const = 0;

    /** No (more of the) body comes: an application that still reads it finds it broken off. The
     *  answer goes on. */
    virtual void breakBody() {}
    /** So long the answer was left where it is, for the client's sake: the application is not to be
     *  blamed for it (Options::maxRequestTime). */
    virtual void excuse(std::chrono::nanoseconds /*time*/) {}

    /** Waits for the next reply. @param buffer at least BUFFER_SIZE bytes
     *  @param timeout of this wait; negative: none */
    virtual Reply receive(std::span<char> buffer, const Client &client, std::chrono::milliseconds timeout) = 0;
    /** Whether receive() would return at once: used to flush to the client when the application
     *  pauses. */
    virtual bool replyWaiting() = 0;
    /** What answers, once a reply was received and until the next start(). None: there is nothing
     *  that tells. */
    virtual std::optional<AppVersion> version() const {
        return std::nullopt;
    }

    /** What awaitReply() found. */
    struct Waited {
        bool reply;
        bool room;
    };
    /** In the middle of an answer: waits until a reply is here, until `writable`, a socket, has
     *  room, or for `timeout`, at most a second. */
    virtual Waited awaitReply(int writable, std::chrono::milliseconds timeout) {
        (void)writable;
        (void)timeout;
        return {true, false};
    }

    /** The stream form. sendHeaders takes the environment; all block. @throws IOException,
     *  SystemException */
    virtual void sendHeaders(std::string_view environment) = 0;
    virtual void sendBodyBlock(std::string_view block) = 0;
    /** Ends the request body. */
    virtual void closeWriter() = 0;
    /** The answer, to be read until its end: `Status: 200 OK\r\n`, header lines, an empty line, the
     *  body. The session keeps owning it. */
    virtual int getReader() = 0;
    virtual void closeReader() = 0;
};

/** Of SessionPtr: a session may be in memory that its pool keeps for the next one. */
struct SessionRelease {
    SessionRelease() noexcept = default;
    template <typename Made>
    SessionRelease(const std::default_delete<Made> &) noexcept {}  // NOLINT(google-explicit-constructor)

    void operator()(Session *session) const noexcept {
        session->release();
    }
};

using SessionPtr = std::unique_ptr<Session, SessionRelease>;

}  // namespace Passenger
