#pragma once

#include <optional>

#include "apache2/httpd/Httpd.h"
#include "apache2/request/BufferedBody.h"

namespace Passenger {

/**
 * The body of a request, as httpd decodes and limits it. Either it is read whole before the request is queued, so that a client that stalls
 * holds no instance; or block by block, while an instance reads it.
 */
class RequestBody {
public:
    /** Where bodies are not buffered, such ones are all the same: they travel with the request. */
    static constexpr apr_off_t SMALL = 3 * 1024;
    static constexpr std::size_t BLOCK = 64 * 1024;

    explicit RequestBody(request_rec *r);

    /** Whether the request has a body at all, of perhaps no bytes. */
    bool present() const noexcept {
        return present_;
    }
    /** httpd's number, where the client gave one; else null. */
    const char *contentLength() const noexcept {
        return contentLength_;
    }
    /** Whether it is small, and the client sends it without being asked. */
    bool isSmall() const noexcept {
        return length_ && *length_ <= SMALL && !isAwaitingConsent();
    }
    /** Whether the client sends it only when it is told to (`Expect: 100-continue`), which httpd does at the first read. */
    bool isAwaitingConsent() const noexcept {
        return r_->expecting_100 != 0;
    }

    /** Reads all of it. @return 0, or the status to answer with; cause() says more then. @throws SystemException (`into` takes no more) */
    int readWhole(BufferedBody &into);
    /** Brings the next blocks into brigade(), waiting for the client. @return as above. */
    int readMore();
    /** Bytes of one of them. @return as above */
    int read(apr_bucket *bucket, const char *&data, apr_size_t &size);
    apr_bucket_brigade *brigade() const noexcept {
        return brigade_;
    }
    apr_status_t cause() const noexcept {
        return cause_;
    }
    /** Whether the last readMore() brought the end. */
    bool ended() const noexcept {
        return ended_;
    }

private:
    request_rec *r_;
    bool present_ = false;
    bool ended_ = false;
    const char *contentLength_ = nullptr;
    std::optional<apr_off_t> length_;
    apr_bucket_brigade *brigade_ = nullptr;
    apr_status_t cause_ = APR_SUCCESS;
};

}  // namespace Passenger
