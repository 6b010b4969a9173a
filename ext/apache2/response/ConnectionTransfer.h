#pragma once

#include "apache2/httpd/Httpd.h"
#include "base/FileDescriptor.h"

/**
 * Gives a client's connection away: the instance that has taken it over gets the client's own
 * socket, and httpd closes its copy. So the connection holds no thread, and outlives this process.
 *
 * All functions belong to the request's thread.
 */
namespace Passenger::ConnectionTransfer {

/** The reason why the client's socket alone is not the whole connection, or null. Only httpd's core
 *  and filters that count or time bytes may stand between the client and the application: no TLS,
 *  no HTTP/2. */
const char *obstacle(const request_rec *r) noexcept;

/**
 * Answers the instance that waits on the stream. What httpd has for the client is sent before,
 * which may take httpd's Timeout. Afterwards httpd takes the connection for an aborted one, so it
 * closes its copy and shuts nothing down.
 *
 * @return false: the instance keeps the stream, and expects the client's bytes there. httpd has
 *     read bytes ahead, the client has gone, or no descriptor can be sent now.
 */
bool give(request_rec *r, const FileDescriptor &stream) noexcept;

}  // namespace Passenger::ConnectionTransfer
