#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "bridge/RequestFields.h"

namespace Passenger::Bridge {

/** How an application is told where a request's body ends. */
struct BodyFraming {
    enum class Kind { NONE, LENGTH, CHUNKED };

    Kind kind = Kind::NONE;
    std::uint64_t length = 0;
    /** The client keeps it back until it is asked for (`Expect: 100-continue`). */
    bool onlyIfAsked = false;
};

/** Writing HTTP/1.1 requests from what httpd said of them. In those, nothing that the client sent is copied as it was: an application cannot
 *  understand the end of a request differently. Functions without state. */
namespace RequestHead {

/** The request line and the header lines, with the empty line. Nothing when there is something in it that HTTP does not allow.
 *  The whole path is in the request line, also where the application is at a sub-URI. What is about the connection between client and
 *  httpd is left out, but for a wish to upgrade it; X-Forwarded-For and X-Forwarded-Proto tell about that. */
std::optional<std::string> write(const RequestFields &fields, const BodyFraming &body);

/** What our own WSGI server (lib/passenger/python/wsgi_loader.py) gets in its place: the size of the environment in a line, all of the environment as httpd
 *  made it, and the head of an HTTP request that says how its body is framed and nothing else. Whatever a client sent is within the bytes that were counted,
 *  so it can neither add a variable nor change one. */
std::string writeForLoader(const RequestFields &fields, const BodyFraming &body);

/** Whether the application may switch the connection to another protocol (RFC 9110, section 7.8). Never to another form of HTTP, whose requests would
 *  pass httpd by, nor to TLS. */
bool wantsUpgrade(const RequestFields &fields, const BodyFraming &body);

/** Whether it does no harm to send the request twice (RFC 9110's safe methods). */
bool isSafe(const RequestFields &fields);

/** `HTTP_X_REQUEST_ID` gives `X-Request-Id`. */
std::string headerName(std::string_view variable);

}  // namespace RequestHead

}  // namespace Passenger::Bridge
