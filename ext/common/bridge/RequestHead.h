#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "bridge/RequestFields.h"

namespace Passenger::Bridge {

/** How the request says where its body ends. */
struct BodyFraming {
    enum class Kind { NONE, LENGTH, CHUNKED };

    Kind kind = Kind::NONE;
    std::uint64_t length = 0;
    /** The client sends the body only when it is asked (`Expect: 100-continue`). */
    bool onlyIfAsked = false;
};

/**
 * Writes HTTP/1.1 requests from the environments that httpd made. No bytes of the client's framing
 * are copied, so that httpd and the application agree where a request ends. Functions
 * without state.
 */
namespace RequestHead {

/**
 * The request line, the header lines and the empty line. Nothing when a value is not allowed in
 * HTTP. The request line has the whole path, also if the application is at a sub-URI. Headers of
 * the connection between client and httpd are left out, except Upgrade; X-Forwarded-For and
 * X-Forwarded-Proto describe that connection.
 * @param takesTrailers some servers send trailer fields only if the request says that it takes them
 */
std::optional<std::string> write(const RequestFields &fields, const BodyFraming &body, bool takesTrailers = false);

/**
 * The same for our loader of Node applications (lib/passenger/node/node_loader.js). The last
 * header line is the bridge's: the port of the client's connection, and `https` if that is
 * encrypted. The loader trusts the last line only, which no client can write, and takes it away.
 */
std::optional<std::string> writeForNode(const RequestFields &fields, const BodyFraming &body);

/**
 * Whether the application may switch the connection to another protocol (RFC 9110, section 7.8).
 * Never to TLS or to another version of HTTP, because httpd would not see its requests.
 */
bool wantsUpgrade(const RequestFields &fields, const BodyFraming &body);

/** Whether the method is safe (RFC 9110), so that the request can be sent twice. */
bool isSafe(const RequestFields &fields);

}  // namespace RequestHead

}  // namespace Passenger::Bridge
