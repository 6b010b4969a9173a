#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <optional>
#include <span>

#include "apache2/httpd/Httpd.h"
#include "apache2/request/SpoolQuota.h"
#include "apache2/response/RefusalLog.h"
#include "apache2/response/SpoolRing.h"
#include "apache2/response/ThreadLimit.h"
#include "exchange/Session.h"

namespace Passenger {

/**
 * Sends an answer to the client at the client's pace, without a wait of the application. Bytes that
 * the client does not take yet are kept in memory (MEMORY), then in a file. The application waits
 * only above PassengerResponseBufferHighWatermark, and where the file may not grow. When the
 * application has finished, httpd gets the rest in a form for which, on plain HTTP with the event
 * MPM, no thread waits either.
 *
 * While the application answers, httpd's filters get only as much as they take without a wait. That
 * is PIECE bytes at a time, after the core output filter has sent all earlier ones. Over HTTP/2 the
 * state of the filters is unknown. So they get the first piece at once, and more than 16 KiB only
 * when the application has finished, or piece by piece while it pauses.
 *
 * A part of ResponseSender, with its thread.
 */
class ResponseOutput {
public:
    static constexpr std::size_t MEMORY = 128 * 1024;
    /** Less than httpd's FlushMaxThreshold (64 KiB), so that the core output filter never waits. */
    static constexpr std::size_t PIECE = 48 * 1024;

    /** These outlive the request's pool. */
    struct Limits {
        /** Of the file. */
        SpoolQuota &quota;
        /** For entries about answers that the quota keeps from the file. */
        RefusalLog &log;
        /** For clients that such answers wait for. */
        ThreadLimit &slowClients;
    };

    /** @param app the name in the log */
    ResponseOutput(request_rec *r, const char *app, const Limits &limits);
    ~ResponseOutput();
    ResponseOutput(const ResponseOutput &) = delete;
    ResponseOutput &operator=(const ResponseOutput &) = delete;

    /** Memory for the next reply. add() recognizes bytes in it. */
    std::span<char> buffer();
    /** Begins the answer, whose head is in the request_rec. */
    void begin();
    void add(std::span<char> body);
    /** Passes on as much as the client takes. @param pause no further reply is here: pass all bytes
     *  on, not only whole pieces */
    void forward(bool pause);
    /** True: enough bytes were added to pass them on. */
    bool gathered() const noexcept {
        return waiting_ >= GATHER;
    }
    /** Called before the next reply of an unfinished answer is received. If the client is slower
     *  than the application, waits for either. @return false: there is no reply to receive yet, or
     *  no reply is wanted any more */
    bool awaitReply(Session &session);

    /** Discards the added bytes, none of which was passed on. */
    void clear();
    /** Marks the answer as whole. deliver() sends its end. */
    void finish() noexcept {
        end_ = End::WHOLE;
    }
    /** Marks the answer as incomplete. The client gets the added bytes, and sees that the answer
     *  breaks off. */
    void breakOff() noexcept {
        end_ = End::BROKEN;
    }
    /** Passes on the rest, and the end. May wait for the client, so the application's session must
     *  be over. */
    void deliver();

    /** True: httpd's filters have bytes of the answer, so its status is fixed. */
    bool passed() const noexcept {
        return passed_;
    }
    /** The handler's result if the client left, or if a filter answered instead. Else nothing. */
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
    void logNotBuffered(const std::exception &problem, const char *consequence) noexcept;
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
    bool mayWait();
    void handOver();
    bool moveMemoryToFile();
    void insertFile(SpoolRing::Range range) const;
    void insertEnd();
    apr_pool_t *pool() const noexcept;
    bool isUnframed() const noexcept;
    void reset() const noexcept;

    request_rec *r_;
    const char *app_;
    const Limits limits_;
    const std::uint64_t limit_;
    /** The client's socket; -1 for a connection without one. */
    const int socket_;
    char *buffer_ = nullptr;
    /** Bytes in memory: `front_` before the file's, `back_` behind them if the file takes no
     *  more. */
    apr_bucket_brigade *front_ = nullptr;
    apr_bucket_brigade *back_ = nullptr;
    apr_bucket_brigade *passing_ = nullptr;
    apr_off_t waiting_ = 0;
    apr_off_t behind_ = 0;
    std::optional<SpoolRing> ring_;
    bool fileFailed_ = false;
    /** This thread waits for the client, since the file may not grow. */
    std::optional<ThreadLimit::Place> place_;
    /** PassengerBufferResponse: no byte is passed on before the end. */
    bool held_;
    /** The client has not yet taken all bytes passed on. */
    bool lags_ = false;
    bool owesFlush_ = false;
    /** Over HTTP/2: this thread may wait for the client, since the application pauses or has
     *  finished. */
    bool quiet_ = false;
    bool passed_ = false;
    End end_ = End::NONE;
    /** httpd's filters have the end of the answer, too. */
    bool ended_ = false;
    std::optional<int> lost_;
    /** The total wait of the application for its client, before a file is used. */
    Clock::duration waited_{0};
    Clock::time_point lastTaken_;
    std::uint64_t taken_ = 0;
};

}  // namespace Passenger
