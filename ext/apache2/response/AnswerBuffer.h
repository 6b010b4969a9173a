#pragma once

#include <cstdint>
#include <exception>
#include <optional>
#include <span>

#include "apache2/httpd/Httpd.h"
#include "apache2/request/SpoolQuota.h"
#include "apache2/response/LineLimits.h"
#include "apache2/response/SpoolRing.h"

namespace Passenger {

/**
 * The bytes of an answer that httpd has not got yet: in memory (MEMORY), then in a file. Where the
 * file may not grow, further bytes are in memory again.
 *
 * A part of ResponseOutput, with its thread.
 */
class AnswerBuffer {
public:
    static constexpr std::size_t MEMORY = 128 * 1024;
    /** Less than httpd's FlushMaxThreshold (64 KiB), so that the core output filter never waits. */
    static constexpr std::size_t PIECE = 48 * 1024;

    /** @param app the name in the log
     *  @param quota of the file @param lines limits those about answers that the quota keeps from
     *  the file. Both outlive the request's pool. */
    AnswerBuffer(request_rec *r, const char *app, SpoolQuota &quota, LineLimits &lines);
    ~AnswerBuffer();
    AnswerBuffer(const AnswerBuffer &) = delete;
    AnswerBuffer &operator=(const AnswerBuffer &) = delete;

    /** Memory for the next reply. add() recognizes bytes in it. */
    std::span<char> forReply();
    void begin();
    /** @param waits the bytes are not passed on soon */
    void add(std::span<char> body, bool waits);
    void clear();

    std::uint64_t size() const noexcept {
        return inMemory() + static_cast<std::uint64_t>(behind_) + (ring_ ? ring_->size() : 0);
    }
    /** The number of bytes in memory that are next. */
    std::uint64_t inMemory() const noexcept { return static_cast<std::uint64_t>(waiting_); }
    /** Whether there are further bytes behind these. */
    bool overflows() const noexcept { return behind_ > 0 || fileHasMore(); }
    /** Whether at most one more message has room. */
    bool full() const noexcept;
    /** Whether the next message may be the first in the file. */
    bool mayBeginFile() const noexcept;
    /** Whether the file takes no more. */
    bool fileFailed() const noexcept { return fileFailed_; }

    /** Makes bytes the next ones, if none are. @return false: there are none
     *  @throws SystemException the file cannot be read */
    bool refill();
    /** Moves at most PIECE of inMemory(). @return the number of bytes */
    std::size_t takePiece(apr_bucket_brigade *to);
    /** Moves inMemory() to the file. @return false: the bytes stay in memory */
    bool moveMemoryToFile();
    /** Moves all bytes. The client's request then owns the file. */
    void takeAll(apr_bucket_brigade *to);

private:
    apr_bucket *bucketOf(std::span<char> body, bool waits);
    bool keepInFile(std::span<char> body) noexcept;
    void makeRing();
    void logNotBuffered(const std::exception &problem, const char *consequence) noexcept;
    bool fileHasMore() const noexcept { return ring_ && ring_->size() > 0; }
    void insertFile(apr_bucket_brigade *to, SpoolRing::Range range) const;
    apr_pool_t *pool() const noexcept;

    request_rec *r_;
    const char *app_;
    SpoolQuota &quota_;
    LineLimits &lines_;
    /** PassengerResponseBufferHighWatermark. */
    const std::uint64_t limit_;
    /** The memory that forReply() gives. */
    char *reply_ = nullptr;
    /** Bytes in memory: `front_` before the file's, `back_` behind them if the file takes no
     *  more. */
    apr_bucket_brigade *front_ = nullptr;
    apr_bucket_brigade *back_ = nullptr;
    /** The bytes in `front_` and in `back_`. */
    apr_off_t waiting_ = 0;
    apr_off_t behind_ = 0;
    std::optional<SpoolRing> ring_;
    bool fileFailed_ = false;
};

}  // namespace Passenger
