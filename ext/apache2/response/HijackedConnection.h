#pragma once

#include <span>
#include <string_view>

#include "apache2/httpd/Httpd.h"
#include "apache2/response/ResponseHead.h"
#include "base/FileDescriptor.h"

namespace Passenger {

/**
 * A client's connection that the application has taken over (`rack.hijack`, an upgrade to WebSocket): passes bytes on in both directions, as they
 * come, until either side has closed. The client's end of file goes on to the application, which may have something to say yet; the application's
 * ends the connection. Silence may last for ever. A client that takes nothing of what waits for it is given up after httpd's Timeout.
 *
 * On the stack of the request's thread, which it holds until then.
 */
class HijackedConnection {
public:
    /** @param stream what Reply has brought  @param start the first bytes from there, in the request's pool */
    HijackedConnection(request_rec *r, FileDescriptor stream, std::string_view start) noexcept
        : r_(r), stream_(std::move(stream)), start_(start) {}

    /** Why this request's connection cannot be taken over, or null. */
    static const char *obstacle(const request_rec *r) noexcept;
    /** Sends the head that goes before the application's own bytes; status and headers are in `r`. @return what is wrong, or null */
    static const char *sendHead(request_rec *r, const ResponseHead &head);
    /** Relays until the end. No filter of the request's sees any of it. @param buffer for what the application says */
    void relay(std::span<char> buffer);

private:
    void leaveHttp() noexcept;
    bool fromClient();
    void readClient();
    bool sendPending();
    void waitForEither(bool more);
    bool clientTakes() const noexcept;
    void fromApplication(std::span<char> buffer);
    void toClient(std::string_view bytes);

    request_rec *r_;
    FileDescriptor stream_;
    std::string_view start_;
    int client_ = -1;
    /** What the client has said and the application has not taken yet. */
    apr_bucket_brigade *pending_ = nullptr;
    apr_bucket_brigade *answer_ = nullptr;
    /** Filters may hold something that poll() cannot see. */
    bool clientMayHaveSaid_ = true;
    bool clientEnded_ = false;
    bool answerWaits_ = false;
    bool over_ = false;
};

}  // namespace Passenger
