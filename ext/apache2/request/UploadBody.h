#pragma once

#include <optional>
#include <string>

#include "apache2/httpd/Httpd.h"
#include "apache2/request/BufferedBody.h"
#include "apache2/request/SpoolQuota.h"
#include "exchange/MessageRequest.h"

namespace Passenger {

/**
 * The body of a request on its way to the application, decoded and limited by httpd. Either the
 * body is read whole before the request is queued (PassengerBufferUpload), so that a client that
 * stalls holds no instance. Or it is read block by block while an instance reads it. A part of
 * RequestHandler, with its thread.
 */
class UploadBody {
public:
    /** @param app the application's name @param quota of the body's file; outlives this object */
    UploadBody(request_rec *r, const char *app, SpoolQuota &quota);
    UploadBody(const UploadBody &) = delete;
    UploadBody &operator=(const UploadBody &) = delete;

    /** Whether the request has a body, which may be empty. */
    bool present() const noexcept { return present_; }
    /** Whether the body was read before httpd redirected the request internally, as to an
     *  ErrorDocument. It is not present then, though the request's head tells of it. */
    bool readBefore() const noexcept { return readBefore_; }

    /** Reads the whole body, if it is not to be streamed. @return 0, or the status of the response;
     *  cause() has the reason. @throws SpoolQuotaExceeded, SystemException */
    int buffer();
    /** The length that the application sees. Null: it is not known before the body's end. */
    const char *contentLength() const;
    /** Fills in what the request says of its body, with the body itself if that fits. The request
     *  must not outlive this object. @return the body's file, for Request::bodyFile; or nothing */
    FileDescriptor describe(MessageRequest &request);

    /** The whole body, for next(). Null: the body is streamed. */
    BufferedBody *buffered() noexcept { return buffered_ ? &*buffered_ : nullptr; }
    /** Frees what buffer() has read. */
    void dropBuffered() noexcept { buffered_.reset(); }

    /** Whether the client holds the body back until somebody reads it (`Expect: 100-continue`):
     *  httpd sends `100 Continue` at the first read. */
    bool awaitsConsent() const noexcept { return present_ && !buffered_ && r_->expecting_100 != 0; }
    /** Whether the client may still send a part of the body. */
    bool leftUnread() const noexcept { return present_ && !buffered_ && !ended_; }

    /** Of a streamed body: reads what the client has sent, BLOCK bytes at most. httpd's core reads
     *  8 KB at a time: sent one by one, each of them would wake the instance.
     *  @param waits for the first byte, or for the end; else paused() tells that nothing has come
     *  @return as buffer() */
    int readBlock(std::string &block, bool waits);
    bool paused() const noexcept { return paused_; }
    apr_status_t cause() const noexcept { return cause_; }
    /** Whether the whole body was read. */
    bool ended() const noexcept { return ended_; }

private:
    /** Bytes. A body up to this size is always buffered, and travels with the request. */
    static constexpr apr_off_t SMALL = 3 * 1024;
    static constexpr std::size_t BLOCK = 64 * 1024;

    bool headMayChange() const noexcept;
    template <typename Take> int read(std::size_t most, bool waits, Take take);

    request_rec *r_;
    const char *app_;
    SpoolQuota &quota_;
    const bool readBefore_;
    bool present_ = false;
    bool ended_ = false;
    bool paused_ = false;
    /** httpd's value of the client's Content-Length; null: none. */
    const char *contentLength_ = nullptr;
    std::optional<apr_off_t> length_;
    apr_bucket_brigade *brigade_ = nullptr;
    apr_status_t cause_ = APR_SUCCESS;
    std::optional<BufferedBody> buffered_;
};

}  // namespace Passenger
