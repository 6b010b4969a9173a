#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "apache2/httpd/Httpd.h"
#include "apache2/response/AnswerBuffer.h"
#include "apache2/response/AnswerLimits.h"
#include "apache2/response/ClientPace.h"
#include "exchange/MessageSession.h"

namespace Passenger {

/**
 * Sends an answer to the client at the client's pace, without a wait of the application. Bytes that
 * the client does not take yet are kept in memory, then in a file (AnswerBuffer). The application
 * waits only above PassengerResponseBufferHighWatermark, and where the file may not grow. When the
 * application has finished, httpd gets the rest in a form for which, on plain HTTP with the event
 * MPM, no thread waits either.
 *
 * While the application answers, httpd's filters get only as much as they take without a wait, a
 * piece at a time (ClientPace).
 *
 * A part of ResponseSender, with its thread.
 */
class ResponseOutput {
public:
    /** @param app the name in the log */
    ResponseOutput(request_rec *r, const char *app, AnswerLimits &limits);
    ResponseOutput(const ResponseOutput &) = delete;
    ResponseOutput &operator=(const ResponseOutput &) = delete;

    /** Whether the answer's head, which is in the request_rec, is that of an event stream. */
    static bool isEventStream(const request_rec *r) noexcept;

    /** Memory for the next reply. add() recognizes bytes in it. */
    std::span<char> buffer() { return buffer_.forReply(); }
    /** Begins the answer, whose head is in the request_rec. */
    void begin();
    void add(std::span<char> body);
    /** Passes on as much as the client takes. @param pause no further reply is here: pass all bytes
     *  on, not only whole pieces */
    void forward(bool pause);
    /** Whether bytes wait for the client. */
    bool lags() const noexcept { return pace_.lags(); }
    /** Passes on as much as the client, which lags, takes. The application pauses. @return whether
     *  the client has taken bytes */
    bool passOn();
    /** True: enough bytes were added to pass them on. */
    bool gathered() const noexcept { return buffer_.inMemory() >= GATHER; }
    /** Called before the next reply of an unfinished answer is received. If the client is slower
     *  than the application, waits for either. @return false: there is no reply to receive yet, or
     *  no reply is wanted any more */
    bool awaitReply(MessageSession &session);

    /** Discards the added bytes, none of which was passed on. */
    void clear() { buffer_.clear(); }
    /** Marks the answer as whole. deliver() sends its end. */
    void finish() noexcept { end_ = End::WHOLE; }
    /** Marks the answer as incomplete. The client gets the added bytes, and sees that the answer
     *  breaks off. */
    void breakOff() noexcept { end_ = End::BROKEN; }
    /** Has deliver() wait until the client has the end of the answer. */
    void flushEnd() noexcept { flushesEnd_ = true; }
    /** The time in httpd's filters since the last call. */
    std::chrono::nanoseconds takeTimeInFilters() noexcept { return std::exchange(inFilters_, {}); }
    /** Passes on the rest, and the end. May wait for the client, so the application's session must
     *  be over. */
    void deliver();

    /** True: httpd's filters have bytes of the answer, so its status is fixed. */
    bool passed() const noexcept { return passed_; }
    /** The handler's result if the client left, or if a filter answered instead. Else nothing. */
    std::optional<int> lost() const noexcept { return lost_; }

private:
    enum class End { NONE, WHOLE, BROKEN };
    static constexpr std::uint64_t GATHER = 64 * 1024;

    bool isHeld() noexcept;
    bool filtersAreEmpty();
    bool hasNext(bool pause);
    void passPiece();
    void pass();
    void filterFailed(apr_status_t status);
    void logLost(apr_status_t status, const char *reason);
    void breakStream();
    void flush();
    void giveUp(const char *reason);
    bool mayWait();
    void handOver();
    void insertEnd();
    bool isUnframed() const noexcept;
    void reset() const noexcept;

    request_rec *r_;
    const char *app_;
    AnswerLimits &limits_;
    AnswerBuffer buffer_;
    ClientPace pace_;
    apr_bucket_brigade *passing_ = nullptr;
    /** This thread waits for the client, since the file may not grow. */
    std::optional<ThreadLimit::Place> place_;
    /** PassengerBufferResponse, or a page for mod_include: no byte is passed on before the end. */
    bool held_;
    /** Whether held_ is final. */
    bool decided_ = false;
    bool passed_ = false;
    End end_ = End::NONE;
    /** httpd's filters have the end of the answer, too. */
    bool ended_ = false;
    bool flushesEnd_ = false;
    std::chrono::nanoseconds inFilters_{0};
    std::optional<int> lost_;
};

}  // namespace Passenger
