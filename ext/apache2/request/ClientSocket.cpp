#include "apache2/request/ClientSocket.h"

#include <apr_portable.h>

namespace Passenger {

namespace {

int socketOf(conn_rec *connection) noexcept {
    apr_socket_t *socket = connection != nullptr ? ap_get_conn_socket(connection) : nullptr;
    apr_os_sock_t descriptor = -1;
    if (socket != nullptr && apr_os_sock_get(&descriptor, socket) != APR_SUCCESS) {
        return -1;
    }
    return descriptor;
}

}  // namespace

int clientSocket(const request_rec *r) noexcept {
    return r->connection->master == nullptr ? socketOf(r->connection) : -1;
}

int carrierSocket(const request_rec *r) noexcept {
    return socketOf(r->connection->master);
}

MessageRequest::Client clientOf(const request_rec *r) noexcept {
    if (r->connection->master == nullptr) {
        return clientSocket(r);
    }
    // mod_http2's main thread sets `aborted` when the client resets the stream or its connection
    // ends.
    return {[](const void *stream) noexcept { return static_cast<const conn_rec *>(stream)->aborted != 0; },
            r->connection};
}

}  // namespace Passenger
