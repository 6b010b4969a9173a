#pragma once

#include <optional>
#include <string>

#include "apache2/httpd/Httpd.h"
#include "apache2/request/BufferedBody.h"
#include "apache2/request/RequestBody.h"
#include "apache2/request/SpoolQuota.h"
#include "exchange/MessageRequest.h"

namespace Passenger {

/**
 * The body of a request on its way to the application: read whole before the request is queued
 * (PassengerBufferUpload), or read block by block. A part of RequestHandler, with its thread.
 */
class UploadBody {
public:
    /** @param app the application's name @param quota of the body's file; outlives this object */
    UploadBody(request_rec *r, const char *app, SpoolQuota &quota) : r_(r), app_(app), quota_(quota), source_(r) {}
    UploadBody(const UploadBody &) = delete;
    UploadBody &operator=(const UploadBody &) = delete;

    /** See RequestBody. */
    bool present() const noexcept { return source_.present(); }
    bool readBefore() const noexcept { return source_.readBefore(); }

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

    /** Whether the client holds the body back until somebody reads it (`Expect: 100-continue`). */
    bool awaitsConsent() const noexcept { return present() && !buffered_ && source_.isAwaitingConsent(); }
    /** Whether the client may still send a part of the body. */
    bool leftUnread() const noexcept { return present() && !buffered_ && !source_.ended(); }
    /** For a streamed body; see RequestBody. */
    int readBlock(std::string &block, bool waits) { return source_.readBlock(block, waits); }
    bool paused() const noexcept { return source_.paused(); }
    bool ended() const noexcept { return source_.ended(); }
    apr_status_t cause() const noexcept { return source_.cause(); }

private:
    request_rec *r_;
    const char *app_;
    SpoolQuota &quota_;
    RequestBody source_;
    std::optional<BufferedBody> buffered_;
};

}  // namespace Passenger
