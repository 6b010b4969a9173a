#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "base/FileDescriptor.h"
#include "bridge/Channels.h"
#include "shm/Layouts.h"

namespace Passenger::Bridge {

/** The child shut the reply channel down. */
struct ClientGone {};

/**
 * Writes the messages that answer one request (doc/PROTOCOLS.md, section 3). Keeps the messages
 * that the child does not take at once. A place owns the writer for one request.
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
    bool finished() const noexcept { return finished_ && kept_.empty(); }
    /** There are kept messages: flush() is to be called when the channel is writable. */
    bool holdsBack() const noexcept { return !kept_.empty(); }

    // All of the following throw ClientGone, or SystemException: the child waits for the end then.

    /** Sends kept messages. */
    void flush();

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
    bool hijack(const FileDescriptor &stream, std::uint8_t flags);
    /**
     * Gives the connection to the application to the client, after this head and these first bytes.
     * They must fit into one message.
     */
    void handOver(const FileDescriptor &connection, unsigned status, std::string_view head, std::string_view surplus);
    /** The request was withdrawn and not run. */
    void skip();
    /** Sends an error page, or ABORTED when the head was sent already. */
    void fail(unsigned status, std::string_view text);

private:
    struct Message {
        std::string bytes;
        /** Of HIJACKED; else none. */
        FileDescriptor stream;
    };

    MessageHeader headerOf(MessageType type, std::uint8_t flags, unsigned status,
                           std::size_t headLength) const noexcept;
    bool sendNow(std::string_view bytes, const FileDescriptor &stream) const;
    void send(MessageType type, std::uint8_t flags, unsigned status, std::size_t headLength, std::string_view first,
              std::string_view second = {});

    const Channel &channel_;
    const std::uint64_t ticket_;
    const std::uint32_t queued_;
    const std::uint32_t stickyId_;
    std::deque<Message> kept_;
    bool started_ = false;
    bool finished_ = false;
};

}  // namespace Passenger::Bridge
