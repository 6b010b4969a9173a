#pragma once

#include <chrono>
#include <span>
#include <string_view>

#include "apache2/httpd/Httpd.h"
#include "apache2/response/ResponseHead.h"
#include "base/FileDescriptor.h"

namespace Passenger {

/**
 * A client's connection that the application has taken over (`rack.hijack`, an upgrade to
 * WebSocket). Passes bytes on in both directions until either side has closed. The client's end of
 * file is passed on to the application, which may still send: the connection ends when it has sent
 * nothing for a second. The application's end of file ends the connection. Before that, silence has
 * no time limit. The connection ends if a client reads nothing for the time of httpd's Timeout
 * while bytes wait for it. It also ends if the application takes none of the client's bytes for
 * that time after the client has left, or for ten times as long. An end of file behind bytes that
 * do not fit is not seen.
 *
 * On the stack of the request's thread, which it occupies until the end.
 */
class HijackedConnection {
public:
    /** @param stream the stream of the Reply
     *  @param start the first bytes from the stream, in the request's pool */
    HijackedConnection(request_rec *r, FileDescriptor stream, std::string_view start) noexcept
        : r_(r), stream_(std::move(stream)), start_(start) {}

    /** The reason why this request's connection cannot be taken over, or null. */
    static const char *obstacle(const request_rec *r) noexcept;
    /** Sends the head before the application's own bytes; status and headers are in `r`. @return
     *  the problem, or null */
    static const char *sendHead(request_rec *r, const ResponseHead &head);
    /** Takes the filters of the request away, so that httpd adds nothing after the handler
     *  returns. */
    static void leaveHttp(request_rec *r) noexcept;
    /** Relays until the end. No filter of the request sees the bytes. @param buffer for bytes of
     *  the application */
    void relay(std::span<char> buffer);

private:
    bool fromClient();
    void readClient();
    bool sendPending();
    void waitForEither(bool more);
    int patienceLeft() const;
    int applicationTimeLeft() const;
    void giveUp(const char *reason);
    bool clientTakes() const noexcept;
    void fromApplication(std::span<char> buffer);
    void toClient(std::string_view bytes);

    request_rec *r_;
    FileDescriptor stream_;
    std::string_view start_;
    int client_ = -1;
    /** Bytes of the client that the application has not yet taken. */
    apr_bucket_brigade *pending_ = nullptr;
    apr_bucket_brigade *answer_ = nullptr;
    /** Filters may hold bytes that poll() cannot report. */
    bool clientMayHaveSaid_ = true;
    bool clientEnded_ = false;
    /** The client has closed its side; bytes of it are unread. */
    bool clientHangsUp_ = false;
    /** When the application has last taken a byte, or could. */
    std::chrono::steady_clock::time_point tookAt_;
    /** The application has bytes that the client has not taken. */
    bool answerWaits_ = false;
    std::chrono::steady_clock::time_point waitsSince_;
    bool over_ = false;
};

}  // namespace Passenger
