#pragma once

#include <optional>

#include "apache2/httpd/Httpd.h"
#include "apache2/request/BufferedBody.h"

namespace Passenger {

/**
 * The body of a request, decoded and limited by httpd. Either the body is read whole before the
 * request is queued, so that a client that stalls holds no instance. Or it is read block by block
 * while an instance reads it.
 */
class RequestBody {
public:
    /** Bytes. A body up to this size is always buffered, and travels with the request. */
    static constexpr apr_off_t SMALL = 3 * 1024;
    static constexpr std::size_t BLOCK = 64 * 1024;

    explicit RequestBody(request_rec *r);

    /** @return whether the request has a body, which may be empty */
    bool present() const noexcept {
        return present_;
    }
    /** httpd's value of the client's Content-Length; null: none. */
    const char *contentLength() const noexcept {
        return contentLength_;
    }
    /** @return whether the body is small, and the client sends it without `100 Continue` */
    bool isSmall() const noexcept {
        return length_ && *length_ <= SMALL && !isAwaitingConsent();
    }
    /** @return whether the client awaits `100 Continue` (`Expect: 100-continue`), which httpd sends
     *  at the first read */
    bool isAwaitingConsent() const noexcept {
        return r_->expecting_100 != 0;
    }

    /** Reads the whole body. @return 0, or the status of the response; cause() has the reason.
     *  @throws SystemException (of `into`) */
    int readWhole(BufferedBody &into);
    /** Reads the next blocks into brigade(). @param waits for the client; else paused() tells that
     *  nothing has come. @return as readWhole() */
    int readMore(bool waits = true);
    bool paused() const noexcept {
        return paused_;
    }
    /** The bytes of one bucket of brigade(). @return as readWhole() */
    int read(apr_bucket *bucket, const char *&data, apr_size_t &size);
    apr_bucket_brigade *brigade() const noexcept {
        return brigade_;
    }
    apr_status_t cause() const noexcept {
        return cause_;
    }
    /** @return whether the last readMore() has reached the end */
    bool ended() const noexcept {
        return ended_;
    }

private:
    request_rec *r_;
    bool present_ = false;
    bool ended_ = false;
    bool paused_ = false;
    const char *contentLength_ = nullptr;
    std::optional<apr_off_t> length_;
    apr_bucket_brigade *brigade_ = nullptr;
    apr_status_t cause_ = APR_SUCCESS;
};

}  // namespace Passenger
