#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/FileDescriptor.h"

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
    std::string_view head{};
    /** RESPONSE, DATA: body bytes, inside the caller's buffer. */
    std::span<char> body{};
    /** DATA: the bytes are those of a file that the application has sent
     *  (MessageRequest::takesFile). No instance works for the answer any more, and the next bytes
     *  are always there. */
    bool fromFile = false;
    /** DATA, with `last`: the trailer fields as lines, as in `head`. Inside the caller's buffer. */
    std::string_view trailers{};
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
    std::string reportId{};
    /** REFUSED: the reason, for people. BROKEN: the fault. */
    std::string text{};

    /** Whether the exchange is over with this reply. */
    bool ends() const noexcept {
        return last || (kind != Kind::RESPONSE && kind != Kind::DATA && kind != Kind::INTERIM);
    }

    static Reply broken(std::string text);
    static Reply refused(std::uint16_t status, std::string reportId, std::string text);
    /** REFUSED: the request waited until the limit. @param limit zero: the end of its process */
    static Reply waitedTooLong(std::chrono::milliseconds limit);
    /** TIMED_OUT: an instance worked on the request until the limit. */
    static Reply workedTooLong(std::chrono::milliseconds limit);
};

}  // namespace Passenger
