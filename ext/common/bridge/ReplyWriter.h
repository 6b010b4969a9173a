#pragma once

#include <cstdint>
#include <string_view>

#include "bridge/Channels.h"
#include "shm/Layouts.h"

namespace Passenger::Bridge {

/** The child has gone: it shut its channel down. */
class ClientGone {};

/** The messages that answer one exchange (doc/PROTOCOLS.md, section 3). Sending waits for the child. Used by one thread. */
class ReplyWriter {
public:
    /** @param queued microseconds for which the request was on its way  @param stickyId by which this instance is asked for again */
    ReplyWriter(const Channel &channel, std::uint64_t ticket, std::uint32_t queued, std::uint32_t stickyId)
        : channel_(channel), ticket_(ticket), queued_(queued), stickyId_(stickyId) {}

    /** The head was sent: the answer can no longer become another. */
    bool started() const noexcept {
        return started_;
    }
    /** The last message was sent. An exchange that ends without it has broken its channel. */
    bool finished() const noexcept {
        return finished_;
    }

    // All of these throw ClientGone.

    /** Status, header lines, and the first bytes of the body. */
    void respond(unsigned status, std::string_view head, std::string_view body, bool last);
    /** Further bytes. Nothing to send is no message, unless it is the last. */
    void data(std::string_view body, bool last);
    void interim(unsigned status, std::string_view head);
    /** The connection to the application is the client's from now on, after this head and these first bytes,
     *  which go in one message or are refused. */
    void handOver(int connection, unsigned status, std::string_view head, std::string_view surplus);
    /** The ticket was withdrawn: nothing was run. */
    void skip();
    /** What went wrong: an answer of our own, or an end that does not look like one where a head was sent. */
    void fail(unsigned status, std::string_view text);

private:
    MessageHeader headerOf(MessageType type, std::uint8_t flags, unsigned status,
                           std::size_t headLength) const noexcept;
    void send(MessageType type, std::uint8_t flags, unsigned status, std::size_t headLength, std::string_view first,
              std::string_view second = {});

    const Channel &channel_;
    const std::uint64_t ticket_;
    const std::uint32_t queued_;
    const std::uint32_t stickyId_;
    bool started_ = false;
    bool finished_ = false;
};

}  // namespace Passenger::Bridge
