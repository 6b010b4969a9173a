#include "apache2/response/ConnectionTransfer.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <exception>
#include <string_view>

#include "apache2/request/ClientSocket.h"
#include "apache2/request/RequestNotes.h"
#include "io/SocketPair.h"
#include "shm/Layouts.h"

namespace Passenger::ConnectionTransfer {

namespace {

/** Filters of connections that change no byte: httpd's core, mod_logio, mod_reqtimeout. httpd keeps
 *  the names in lower case. */
constexpr std::array<std::string_view, 4> TRANSPARENT{"core", "core_in", "log_input_output", "reqtimeout"};

bool areTransparent(const ap_filter_t *first) noexcept {
    for (const ap_filter_t *filter = first; filter != nullptr; filter = filter->next) {
        if (std::find(TRANSPARENT.begin(), TRANSPARENT.end(), filter->frec->name) == TRANSPARENT.end()) {
            return false;
        }
    }
    return true;
}

/** Sends what httpd still has for the client. */
bool flush(request_rec *r) noexcept {
    conn_rec *connection = r->connection;
    apr_bucket_brigade *brigade = apr_brigade_create(r->pool, connection->bucket_alloc);
    APR_BRIGADE_INSERT_TAIL(brigade, apr_bucket_flush_create(connection->bucket_alloc));
    const apr_status_t status = ap_pass_brigade(connection->output_filters, brigade);
    apr_brigade_destroy(brigade);
    return status == APR_SUCCESS && connection->aborted == 0;
}

/** Whether httpd has read no byte behind the request. What is still in the socket goes with it. */
bool nothingReadAhead(request_rec *r) noexcept {
    conn_rec *connection = r->connection;
    apr_bucket_brigade *brigade = apr_brigade_create(r->pool, connection->bucket_alloc);
    const apr_status_t status =
        ap_get_brigade(connection->input_filters, brigade, AP_MODE_SPECULATIVE, APR_NONBLOCK_READ, 1);
    const bool nothing = APR_STATUS_IS_EAGAIN(status) || (status == APR_SUCCESS && APR_BRIGADE_EMPTY(brigade));
    apr_brigade_destroy(brigade);
    return nothing;
}

bool sendClient(const FileDescriptor &stream, int client) noexcept {
    constexpr char ANSWER = static_cast<char>(TransferAnswer::CLIENT);
    const int descriptors[] = {client};
    try {
        return sendWithDescriptors(stream, {&ANSWER, 1}, descriptors, MSG_DONTWAIT) == 1;
    } catch (const std::exception &) {
        return false;
    }
}

}  // namespace

const char *obstacle(const request_rec *r) noexcept {
    if (r->connection->master != nullptr || r->main != nullptr || clientSocket(r) < 0) {
        return "the request has no connection of its own";
    }
    if (!areTransparent(r->connection->input_filters) || !areTransparent(r->connection->output_filters)) {
        return "a filter of httpd changes the connection's bytes";
    }
    return nullptr;
}

bool give(request_rec *r, const FileDescriptor &stream) noexcept {
    conn_rec *connection = r->connection;
    if (obstacle(r) == nullptr && flush(r) && nothingReadAhead(r) && sendClient(stream, clientSocket(r))) {
        connection->aborted = 1;
        connection->keepalive = AP_CONN_CLOSE;
        RequestNotes::setTransferred(r);
        return true;
    }
    constexpr char ANSWER = static_cast<char>(TransferAnswer::RELAY);
    // An instance that has gone is found by the relay.
    ::send(stream.get(), &ANSWER, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    return false;
}

}  // namespace Passenger::ConnectionTransfer
