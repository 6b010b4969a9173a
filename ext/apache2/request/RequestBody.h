#pragma once

#include <optional>
#include <string>

#include "apache2/httpd/Httpd.h"
#include "apache2/request/BufferedBody.h"

namespace Passenger {

/**
 * The body of a request, decoded and limited by httpd. Either the body is read whole before the
 * request is queued (PassengerBufferUpload), so that a client that stalls holds no instance. Or it
 * is read block by block while an instance reads it.
 */
class RequestBody {
public:
    /** Bytes. A body up to this size is always buffered, and travels with the request. */
    static constexpr apr_off_t SMALL = 3 * 1024;
    static constexpr std::size_t BLOCK = 64 * 1024;

    explicit RequestBody(request_rec *r);

    /** @return whether the request has a body, which may be empty */
    bool present() const noexcept { return present_; }
    /** @return whether the body was read before httpd redirected the request internally, as to an
     *  ErrorDocument. It is not present then, though the request's head tells of it. */
    bool readBefore() const noexcept { return readBefore_; }
    /** httpd's value of the client's Content-Length; null: none. */
    const char *contentLength() const noexcept { return contentLength_; }
    /** @return whether the body is small, and the client sends it without `100 Continue` */
    bool isSmall() const noexcept { return length_ && *length_ <= SMALL && !isAwaitingConsent(); }
    /** @return whether a filter of httpd (SetInputFilter) may change what the request's head says
     *  of the body. The filter changes its length and Content-Encoding when it reads. The
     *  application gets both right if the body was read whole before. */
    bool headMayChange() const noexcept {
        return r_->input_filters->frec->ftype < AP_FTYPE_PROTOCOL &&
               (length_ || apr_table_get(r_->headers_in, "Content-Encoding") != nullptr);
    }
    /** @return whether the client awaits `100 Continue` (`Expect: 100-continue`), which httpd sends
     *  at the first read */
    bool isAwaitingConsent() const noexcept { return r_->expecting_100 != 0; }

    /** Reads the whole body. @return 0, or the status of the response; cause() has the reason.
     *  @throws SystemException (of `into`) */
    int readWhole(BufferedBody &into);
    /** Reads what the client has sent, BLOCK bytes at most. httpd's core reads 8 KB at a time: sent
     *  one by one, each of them would wake the instance.
     *  @param waits for the first byte, or for the end; else paused() tells that nothing has come
     *  @return as readWhole() */
    int readBlock(std::string &block, bool waits);
    bool paused() const noexcept { return paused_; }
    apr_status_t cause() const noexcept { return cause_; }
    /** @return whether the whole body was read */
    bool ended() const noexcept { return ended_; }

private:
    template <typename Take> int read(std::size_t most, bool waits, Take take);

    request_rec *r_;
    const bool readBefore_;
    bool present_ = false;
    bool ended_ = false;
    bool paused_ = false;
    const char *contentLength_ = nullptr;
    std::optional<apr_off_t> length_;
    apr_bucket_brigade *brigade_ = nullptr;
    apr_status_t cause_ = APR_SUCCESS;
};

}  // namespace Passenger
