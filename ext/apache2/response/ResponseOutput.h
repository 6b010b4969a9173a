#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>

#include "apache2/httpd/Httpd.h"
#include "apache2/response/SpoolRing.h"
#include "exchange/Session.h"

namespace Passenger {

/**
 * An answer's way to the client, at the client's pace and without holding the application up: what the client does not take yet is kept in
 * memory (MEMORY), then in a file, up to PassengerResponseBufferHighWatermark; only then does the application wait. What is left once the
 * application has finished is handed to httpd in such a form that, on plain HTTP with the event MPM, no thread waits for the client either.
 *
 * While the application answers, httpd's filters are given no more than they take without waiting: PIECE at a time, and only once the core
 * output filter has nothing left. Over HTTP/2 nobody can tell that here, so they get the first piece at once, and what is more than a little only when the
 * application has finished or pauses.
 *
 * A part of ResponseSender, with its thread.
 */
class ResponseOutput {
public:
    static constexpr std::size_t MEMORY = 128 * 1024;
    /** Less than httpd's FlushMaxThreshold (64 KiB): so much never makes the core output filter wait. */
    static constexpr std::size_t PIECE = 48 * 1024;

    /** @param app name for the log */
    ResponseOutput(request_rec *r, const char *app);
    ~ResponseOutput();
    ResponseOutput(const ResponseOutput &) = delete;
    ResponseOutput &operator=(const ResponseOutput &) = delete;

    /** Memory for the next reply; add() knows it. */
    std::span<char> buffer();
    /** Head is in the request_rec. */
    void begin();
    /** Bytes of the body. */
    void add(std::span<char> body);
    /** Passes on what the client takes. @param pause nothing else is here: it is to see all that it has been given, not whole pieces only */
    void forward(bool pause);
    /** So much was added that it should be passed on. */
    bool gathered() const noexcept {
        return waiting_ >= GATHER;
    }
    /** Before the next reply is received, in the middle of an answer: while the client is slower than the application, waits for either.
     *  False: there is no reply to receive yet, or nobody wants one any more. */
    bool awaitReply(Session &session);

    /** Nothing was added that shows; what was, is forgotten. */
    void clear();
    /** The answer is whole, and goes out with deliver(). */
    void finish() noexcept {
        end_ = End::WHOLE;
    }
    /** The answer is not: the client gets what is here, and sees that it is cut short. */
    void breakOff() noexcept {
        end_ = End::BROKEN;
    }
    /** Passes the rest on, and the end. May wait for the client: the application's session is to be over by now. */
    void deliver();

    /** Something went to httpd's filters: the status cannot be changed any more. */
    bool passed() const noexcept {
        return passed_;
    }
    /** The client went away, or a filter has answered in our place: what the handler returns then. */
    std::optional<int> lost() const noexcept {
        return lost_;
    }

private:
    using Clock = std::chrono::steady_clock;
    enum class End { NONE, WHOLE, BROKEN };
    static constexpr apr_off_t GATHER = 64 * 1024;

    apr_bucket *bucketOf(std::span<char> body);
    void keep(std::span<char> body);
    bool keepInFile(std::span<char> body) noexcept;
    void makeRing();
    std::uint64_t stored() const noexcept;
    bool full() const noexcept;
    bool fileHasMore() const noexcept {
        return ring_ && ring_->size() > 0;
    }
    bool takes();
    bool refill();
    void passPiece();
    void pass();
    void flush();
    bool socketHasRoom(std::chrono::milliseconds timeout) const noexcept;
    void waitForClient(Session &session, std::chrono::milliseconds timeout);
    std::chrono::milliseconds patienceLeft() const noexcept;
    std::chrono::milliseconds untilGivenUp() const noexcept;
    void giveUp();
    void handOver();
    void moveMemoryToFile();
    void insertFile(SpoolRing::Range range) const;
    void insertEnd();
    apr_pool_t *pool() const noexcept;
    bool isUnframed() const noexcept;
    void reset() const noexcept;

    request_rec *r_;
    const char *app_;
    const std::uint64_t limit_;
    /** The client's; -1 where it has none of its own. */
    const int socket_;
    char *buffer_ = nullptr;
    /** In memory: before what is in the file, and, where the file took no more, behind it. */
    apr_bucket_brigade *front_ = nullptr;
    apr_bucket_brigade *back_ = nullptr;
    apr_bucket_brigade *passing_ = nullptr;
    apr_off_t waiting_ = 0;
    apr_off_t behind_ = 0;
    std::optional<SpoolRing> ring_;
    bool fileFailed_ = false;
    /** PassengerBufferResponse: nothing goes out before the end. */
    bool held_;
    /** The client has not taken all that it was given. */
    bool lags_ = false;
    bool owesFlush_ = false;
    /** Over HTTP/2: the client may be waited for. */
    bool quiet_ = false;
    bool passed_ = false;
    End end_ = End::NONE;
    /** It went to httpd's filters, too. */
    bool ended_ = false;
    std::optional<int> lost_;
    /** How long the application had to wait for a client that may be fast enough. */
    Clock::duration waited_{0};
    Clock::time_point lastTaken_;
    std::uint64_t taken_ = 0;
};

}  // namespace Passenger
