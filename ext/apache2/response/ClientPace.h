#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "exchange/ReplySource.h"

namespace Passenger {

/**
 * Decides when httpd gets the next piece of an answer, and how the application waits for a client
 * that is slower.
 *
 * With a socket (HTTP/1), httpd gets a piece when it has sent all earlier ones. A filter may wait
 * while it has a piece, as mod_ratelimit does. Then replies come before the next piece, for a part
 * of the time that the filter has waited, or until the application pauses.
 *
 * Over HTTP/2 the state of httpd's filters is unknown. So they get the first piece at once. While
 * more than LITTLE waits, they get pieces when the application has finished, or while the
 * connection's socket has room: without a limit while the application pauses, and else for as much
 * time as it has been silent. So it loses little by a slow client.
 *
 * A part of ResponseOutput, with its thread.
 */
class ClientPace {
public:
    /** @param socket the client's; -1: a stream of HTTP/2 @param timeout httpd's Timeout
     *  @param carrier the socket of the stream's connection */
    ClientPace(int socket, std::chrono::milliseconds timeout, int carrier = -1) noexcept;
    ClientPace(const ClientPace &) = delete;
    ClientPace &operator=(const ClientPace &) = delete;

    bool hasSocket() const noexcept { return socket_ >= 0; }
    /** Whether the client has not yet taken all bytes that it may have. */
    bool lags() const noexcept { return lags_; }
    /** The application has finished, so this thread may wait for the client. */
    void finish() noexcept { finished_ = true; }

    /** Begins to pass on the bytes that the client takes. @param pause no further reply is here,
     *  so that all bytes are passed on, to the client itself */
    void beginTurn(bool pause) noexcept;
    /** Whether httpd gets one more piece in this turn; else the client lags. Never waits.
     *  @param sent httpd has sent all earlier bytes, where it has a socket
     *  @param kept the bytes that httpd has not got */
    bool takes(bool sent, std::uint64_t kept) noexcept;
    void count(std::size_t bytes) noexcept { taken_ += bytes; }
    /** Notes how long httpd's filters had the piece. */
    void note(std::chrono::nanoseconds inFilters) noexcept;
    /** The application pauses, so that the next piece need not wait for its replies. */
    void endReplies() noexcept { repliesUntil_ = {}; }
    /** Whether httpd is to flush at the end of this turn. After true, no flush is due to the
     *  client. */
    bool takesFlush(bool pause) noexcept;

    /** Whether the client, which lags, has read nothing for httpd's Timeout. */
    bool isStuck() const noexcept;
    /** Waits for the client, which lags, or for a reply. The application's time limit does not
     *  count a wait for the client alone.
     *  @param full a reply has no room @param mayBeginFile a reply may be the first in the file
     *  @return whether a reply is here */
    bool awaitReply(ReplySource &session, bool full, bool mayBeginFile);

private:
    using Clock = std::chrono::steady_clock;

    bool repliesComeFirst() const noexcept;
    bool awaitReplyBeforePiece(ReplySource &session, bool full);
    bool awaitReplyOfStream(ReplySource &session, bool full);
    void lag() noexcept;
    bool streamTakes() noexcept;
    bool carrierHasRoom() const noexcept;
    static bool hasRoom(int socket, std::chrono::milliseconds timeout) noexcept;
    void waitForClient(ReplySource &session, std::chrono::milliseconds timeout);
    std::chrono::milliseconds patienceLeft() const noexcept;
    std::chrono::milliseconds untilStuck() const noexcept;

    const int socket_;
    const int carrier_;
    const std::chrono::milliseconds timeout_;
    bool lags_ = false;
    /** The value of `lags_` before this turn. */
    bool lagged_ = false;
    bool owesFlush_ = true;
    bool finished_ = false;
    /** Over HTTP/2: the application pauses. */
    bool quiet_ = false;
    /** Over HTTP/2: the carrier had room at the end of the last wait. Other streams may have filled
     *  it since then. */
    bool roomCame_ = false;
    /** Over HTTP/2: httpd may get one piece in this turn, however many bytes follow. */
    bool mayHavePiece_ = false;
    /** Over HTTP/2: the time of the application's silence that httpd's filters have not used. */
    Clock::duration credit_;
    std::uint64_t taken_ = 0;
    Clock::time_point lastTaken_;
    /** Until then replies come before the next piece. */
    Clock::time_point repliesUntil_;
    /** The total wait of the application for its client, before a file is used. */
    Clock::duration waited_{0};
};

}  // namespace Passenger
