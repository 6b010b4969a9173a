#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "apache2/httpd/Httpd.h"
#include "apache2/response/AnswerLimits.h"
#include "apache2/response/ConnectionTransfer.h"
#include "apache2/response/ResponseHead.h"
#include "base/FileDescriptor.h"
#include "exchange/Reply.h"

namespace Passenger {

/**
 * The takeover of the client's connection by the application (`rack.hijack`, an upgrade). The
 * instance gets the client's own socket, or this thread relays the bytes when the application's
 * session is over.
 *
 * A part of ResponseSender, with its thread.
 */
class ConnectionTakeover {
public:
    struct Failure {
        int status;
        /** In the request's pool. */
        const char *reason;
    };

    /** @param app the name in the log */
    ConnectionTakeover(request_rec *r, const char *app, AnswerLimits &limits) noexcept
        : r_(r), app_(app), limits_(limits), transfer_(r, app, limits.clients) {}
    ConnectionTakeover(const ConnectionTakeover &) = delete;
    ConnectionTakeover &operator=(const ConnectionTakeover &) = delete;

    /** Full hijack: the application also sends the head, so its status is unknown here. @return
     *  nothing, if the application has the connection */
    [[nodiscard]] std::optional<Failure> take(Reply &reply);
    /** Partial hijack: this side sends the head, the application sends the rest. @return nothing,
     *  if the application has the connection */
    [[nodiscard]] std::optional<Failure> takeAfterHead(Reply &reply, const ResponseHead &head);

    /** The client has the head that this side makes, also if the takeover failed afterwards. */
    bool headSent() const noexcept { return headSent_; }
    /** Whether an instance has got the client's own socket. */
    bool transferred() const noexcept { return transferred_; }
    /** Whether the application has taken the connection over without the client's own socket. */
    bool awaitsRelay() const noexcept { return static_cast<bool>(stream_); }
    /** Passes bytes on until the connection ends, if awaitsRelay(). @param buffer for bytes of the
     *  application */
    void relay(std::span<char> buffer);

private:
    std::optional<Failure> prepare(Reply &reply);
    std::optional<Failure> passOn(Reply &reply);
    std::optional<Failure> countRelay();
    Failure impossible(const char *problem) const;

    request_rec *r_;
    const char *app_;
    AnswerLimits &limits_;
    ConnectionTransfer transfer_;
    /** This thread's places among those that relay. */
    std::optional<ThreadLimit::Place> hijack_;
    std::optional<ThreadUse::Place> relay_;
    FileDescriptor stream_;
    /** The first bytes of `stream_`, in the request's pool. */
    std::string_view streamStart_;
    bool headSent_ = false;
    bool transferred_ = false;
};

}  // namespace Passenger
