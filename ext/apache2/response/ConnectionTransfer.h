#pragma once

#include <chrono>

#include "apache2/httpd/Httpd.h"
#include "apache2/response/ClientsInFlight.h"
#include "base/FileDescriptor.h"

namespace Passenger {

/**
 * Gives a client's connection away (PassengerTransferConnections): the instance that has taken it
 * over gets the client's own socket, and httpd closes its copy. So the connection holds no thread,
 * and outlives this process.
 *
 * On the stack of the request's thread.
 */
class ConnectionTransfer {
public:
    /** @param app the name in the log; outlives this object */
    ConnectionTransfer(request_rec *r, const char *app, ClientsInFlight &sent) noexcept
        : r_(r), app_(app), sent_(sent) {}

    /** The reason why the client's socket alone is not the whole connection, or null. Only httpd's
     *  core and filters that count or time bytes may stand between the client and the application:
     *  no TLS, no HTTP/2. */
    static const char *obstacle(const request_rec *r) noexcept;
    /** The name of a filter of httpd that may work on the answer's body, so that only its head
     *  could go by httpd; null: there is none. Filters that compress where they may do not count. A
     *  client of HTTP/1.0 counts as a filter. */
    static const char *bodyFilter(const request_rec *r) noexcept;

    /** Whether give() is likely to succeed, and waits for no slow client. @param stream that of the
     *  Reply */
    bool isReady(const FileDescriptor &stream);
    /**
     * Answers the instance that waits on the stream. httpd takes the connection for an aborted one
     * afterwards, so it closes its copy and shuts nothing down.
     *
     * @param stream taken if the result is true
     * @param patience the time that the application has to receive earlier sockets
     * @return false: the instance still waits. httpd has read bytes ahead, the client has gone, or
     *     no descriptor could be sent.
     */
    bool give(FileDescriptor &stream, std::chrono::milliseconds patience);
    /** Tells the instance that the client's bytes come on the stream. */
    static void announceRelay(const FileDescriptor &stream) noexcept;

private:
    bool hasReadAhead();
    bool flush();
    bool send(FileDescriptor &stream, std::chrono::milliseconds patience);

    request_rec *r_;
    const char *app_;
    ClientsInFlight &sent_;
};

}  // namespace Passenger
