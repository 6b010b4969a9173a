#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bridge/Channels.h"
#include "shm/Layouts.h"

namespace Passenger::Bridge {

/** The child shut the reply channel down. */
struct ClientGone {};

/**
 * Writes the messages that answer one request (doc/PROTOCOLS.md, section 3). Sending waits for the
 * child, or keeps the messages that the child does not take at once. A place owns the writer for
 * one request; one thread at a time uses it.
 */
class ReplyWriter {
public:
    /**
     * @param queued microseconds from the sending of the request until the instance took it
     * @param stickyId this instance's id for sticky sessions, or 0
     */
    ReplyWriter(const Channel &channel, std::uint64_t ticket, std::uint32_t queued, std::uint32_t stickyId)
        : channel_(channel), ticket_(ticket), queued_(queued), stickyId_(stickyId) {}

    /** The head was sent: it is too late for another answer. */
    bool started() const noexcept { return started_; }
    /** The last message was sent. A channel without it cannot be used again. */
    bool finished() const noexcept { return finished_; }

    /** From now on messages that the child does not take at once are kept. */
    void neverWait() noexcept { waits_ = false; }
    /** There are such messages: wait() sends them. */
    bool holdsBack() const noexcept { return !kept_.empty(); }

    // All of the following throw ClientGone, or SystemException: the child waits for the end then.

    /** Sends the kept messages. From now on sending waits. */
    void wait();

    /** Sends status, header lines and the first bytes of the body. */
    void respond(unsigned status, std::string_view head, std::string_view body, bool last);
    /** Sends more bytes of the body. Sends no empty message, unless it is the last one. */
    void data(std::string_view body, bool last);
    /** Ends the answer with trailer fields (`Name: value CR LF` for each). They must fit into one
     *  message, and the request must say TAKES_TRAILERS. */
    void trailers(std::string_view lines);
    void interim(unsigned status, std::string_view head);
    /**
     * Sends one end of a stream that takes the place of the client's connection. respond() follows.
     * @param flags WANTS_CLIENT or 0
     * @return false: no descriptor can be sent now, and nothing was sent
     */
    bool hijack(int stream, std::uint8_t flags);
    /**
     * Gives the connection to the application to the client, after this head and these first bytes.
     * They must fit into one message.
     */
    void handOver(int connection, unsigned status, std::string_view head, std::string_view surplus);
    /** The request was withdrawn and not run. */
    void skip();
    /** Sends an error page, or ABORTED when the head was sent already. */
    void fail(unsigned status, std::string_view text);

private:
    MessageHeader headerOf(MessageType type, std::uint8_t flags, unsigned status,
                           std::size_t headLength) const noexcept;
    bool sendNow(const msghdr &message) const;
    void send(MessageType type, std::uint8_t flags, unsigned status, std::size_t headLength, std::string_view first,
              std::string_view second = {});

    const Channel &channel_;
    const std::uint64_t ticket_;
    const std::uint32_t queued_;
    const std::uint32_t stickyId_;
    bool waits_ = true;
    /** Messages of MAX_MESSAGE bytes at most, in their order. */
    std::vector<std::string> kept_;
    bool started_ = false;
    bool finished_ = false;
};

}  // namespace Passenger::Bridge
