#include "apache2/response/ConnectionTransfer.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <thread>

#include "apache2/request/ClientSocket.h"
#include "apache2/request/RequestNotes.h"
#include "io/SocketPair.h"
#include "shm/Layouts.h"

namespace Passenger {

namespace {

/** Filters of connections that change no byte: httpd's core, mod_logio, mod_reqtimeout, and
 *  mod_remoteip's for the PROXY protocol, once a request has come. */
constexpr std::array<const char *, 5> TRANSPARENT{"core", "core_in", "log_input_output", "remoteip_input",
                                                  "reqtimeout"};

/** Filters of an answer that make its head, frame it, or may compress it: httpd's core,
 *  mod_headers, mod_expires, mod_session, mod_deflate and mod_brotli, by themselves and by
 *  AddOutputFilterByType. */
constexpr std::array<const char *, 14> WITHOUT_BODY{
    "byterange",         "content_length",    "old_write",       "http_header",           "http_outerror",
    "fixup_headers_out", "fixup_headers_err", "mod_expires",     "mod_session_out",       "chunk",
    "deflate",           "bytype:deflate",    "brotli_compress", "bytype:brotli_compress"};

/** The first filter from `first` up to `end` that the list does not have; null: it has all. */
template <std::size_t N>
const ap_filter_t *firstOther(const ap_filter_t *first, const ap_filter_t *end,
                              const std::array<const char *, N> &names) noexcept {
    for (const ap_filter_t *filter = first; filter != end && filter != nullptr; filter = filter->next) {
        if (std::none_of(names.begin(), names.end(),
                         [&](const char *name) { return ap_cstr_casecmp(name, filter->frec->name) == 0; })) {
            return filter;
        }
    }
    return nullptr;
}

bool areTransparent(const ap_filter_t *first) noexcept {
    return firstOther(first, nullptr, TRANSPARENT) == nullptr;
}

bool isUnix(const FileDescriptor &stream) noexcept {
    int domain = 0;
    socklen_t size = sizeof(domain);
    return ::getsockopt(stream.get(), SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

/** Whether the client has closed its side, at least. The relay ends its connection soon. */
bool hangsUp(int client) noexcept {
    pollfd entry{client, POLLRDHUP, 0};
    return poll(&entry, 1, 0) > 0;
}

bool takesBytes(int client) noexcept {
    pollfd entry{client, POLLOUT, 0};
    return poll(&entry, 1, 0) > 0 && (entry.revents & POLLOUT) != 0;
}

apr_status_t closeCopy(void *copy) {
    delete static_cast<FileDescriptor *>(copy);
    return APR_SUCCESS;
}

}  // namespace

const char *ConnectionTransfer::obstacle(const request_rec *r) noexcept {
    if (r->connection->master != nullptr || r->main != nullptr || clientSocket(r) < 0) {
        return "the request has no connection of its own";
    }
    if (!areTransparent(r->connection->input_filters) || !areTransparent(r->connection->output_filters)) {
        return "a filter of httpd changes the connection's bytes";
    }
    return nullptr;
}

const char *ConnectionTransfer::bodyFilter(const request_rec *r) noexcept {
    if (r->proto_num < HTTP_VERSION(1, 1)) {
        return "HTTP/1.0";
    }
    const ap_filter_t *filter = firstOther(r->output_filters, r->connection->output_filters, WITHOUT_BODY);
    return filter != nullptr ? filter->frec->name : nullptr;
}

/** Whether httpd has bytes behind the request, which the instance could not read from the socket.
 *  Bytes that wait in the socket are read for that. */
bool ConnectionTransfer::hasReadAhead() {
    conn_rec *connection = r_->connection;
    apr_bucket_brigade *brigade = apr_brigade_create(r_->pool, connection->bucket_alloc);
    const apr_status_t status =
        ap_get_brigade(connection->input_filters, brigade, AP_MODE_SPECULATIVE, APR_NONBLOCK_READ, 1);
    const bool nothing = APR_STATUS_IS_EAGAIN(status) || (status == APR_SUCCESS && APR_BRIGADE_EMPTY(brigade));
    apr_brigade_destroy(brigade);
    return !nothing;
}

/** Sends the bytes that httpd still has for the client. */
bool ConnectionTransfer::flush() {
    conn_rec *connection = r_->connection;
    apr_bucket_brigade *brigade = apr_brigade_create(r_->pool, connection->bucket_alloc);
    APR_BRIGADE_INSERT_TAIL(brigade, apr_bucket_flush_create(connection->bucket_alloc));
    const apr_status_t status = ap_pass_brigade(connection->output_filters, brigade);
    apr_brigade_destroy(brigade);
    return status == APR_SUCCESS && connection->aborted == 0;
}

/** A client that has not taken earlier answers could hold the instance up. */
bool ConnectionTransfer::isReady(const FileDescriptor &stream) {
    return obstacle(r_) == nullptr && isUnix(stream) && r_->connection->data_in_output_filters == 0 &&
           takesBytes(clientSocket(r_)) && !hasReadAhead();
}

/** Many connections that begin together wait for each other. */
bool ConnectionTransfer::send(FileDescriptor &stream, std::chrono::milliseconds patience) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    ClientsInFlight::Sent sent;
    while ((sent = sent_.send(app_, stream, clientSocket(r_))) == ClientsInFlight::Sent::NO_ROOM &&
           std::chrono::steady_clock::now() < deadline && !hangsUp(clientSocket(r_))) {
        std::this_thread::sleep_for(UNDER_WAY_PAUSE);
    }
    return sent == ClientsInFlight::Sent::YES;
}

/** httpd has read nothing from the client since isReady(), and further bytes of the client stay in
 *  the socket. The instance may close the socket first, with SO_LINGER: httpd's own close must not
 *  be the last then. A copy stays open until the connection's pool ends, and DescriptorCloser
 *  closes it. */
bool ConnectionTransfer::give(FileDescriptor &stream, std::chrono::milliseconds patience) {
    const DescriptorSender application = stream.sender();
    const int number = ::fcntl(clientSocket(r_), F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    auto copy = std::make_unique<FileDescriptor>(FileDescriptor::foreign(number, application));
    if (!*copy || !flush() || !send(stream, patience)) {
        return false;
    }
    apr_pool_cleanup_register(r_->connection->pool, copy.release(), closeCopy, apr_pool_cleanup_null);
    r_->connection->aborted = 1;
    r_->connection->keepalive = AP_CONN_CLOSE;
    RequestNotes::setTransferred(r_);
    return true;
}

void ConnectionTransfer::announceRelay(const FileDescriptor &stream) noexcept {
    constexpr char ANSWER = static_cast<char>(TransferAnswer::RELAY);
    // The relay finds it where the instance has gone.
    ::send(stream.get(), &ANSWER, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

}  // namespace Passenger
