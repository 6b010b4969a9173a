#include "apache2/request/ClientSocket.h"

#include <apr_portable.h>

namespace Passenger {

int clientSocket(const request_rec *r) noexcept {
    apr_socket_t *socket = r->connection->master == nullptr ? ap_get_conn_socket(r->connection) : nullptr;
    apr_os_sock_t descriptor = -1;
    if (socket != nullptr && apr_os_sock_get(&descriptor, socket) != APR_SUCCESS) {
        return -1;
    }
    return descriptor;
}

MessageSession::Client clientOf(const request_rec *r) noexcept {
    if (r->connection->master == nullptr) {
        return clientSocket(r);
    }
    // mod_http2's main thread sets `aborted` when the client resets the stream or its connection
    // ends.
    return {[](const void *stream) noexcept { return static_cast<const conn_rec *>(stream)->aborted != 0; },
            r->connection};
}

}  // namespace Passenger
