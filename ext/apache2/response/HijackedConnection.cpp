#include "apache2/response/HijackedConnection.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "apache2/request/ClientSocket.h"
#include "apache2/request/RequestNotes.h"
#include "base/Exceptions.h"
#include "base/HttpText.h"
#include "base/Poll.h"
#include "io/SocketPair.h"

namespace Passenger {

namespace {

/** Bytes passed on at once. A socket that poll() reports as writable takes this many, so this
 *  thread does not block on a client that does not read. */
constexpr std::size_t PIECE = 16 * 1024;

/** In milliseconds. When the client has ended its side, it may have left; a silent application
 *  would keep the thread. */
constexpr int SILENCE_AFTER_CLIENT = 1000;

/** A client that is still there may wait for its application this many times httpd's Timeout. */
constexpr int TIMES_FOR_A_CLIENT = 10;

bool isUpgradeWanted(const request_rec *r) {
    const char *connection = apr_table_get(r->headers_in, "Connection");
    return apr_table_get(r->headers_in, "Upgrade") != nullptr && connection != nullptr &&
           HttpText::listHas(connection, "upgrade");
}

/** Filters that only set fields of the head: mod_headers, mod_expires, mod_session. */
constexpr std::array<const char *, 4> OF_HEAD{"fixup_headers_out", "fixup_headers_err", "mod_expires",
                                              "mod_session_out"};

/** Removes the filters that would change a body. Those of the head stay, since administrators rely
 *  on them. */
void removeContentFilters(request_rec *r) {
    for (ap_filter_t *filter = r->output_filters; filter != nullptr && filter != r->proto_output_filters;) {
        ap_filter_t *next = filter->next;
        if (std::none_of(OF_HEAD.begin(), OF_HEAD.end(),
                         [&](const char *name) { return ap_cstr_casecmp(name, filter->frec->name) == 0; })) {
            ap_remove_output_filter(filter);
        }
        filter = next;
    }
}

}  // namespace

const char *HijackedConnection::obstacle(const request_rec *r) noexcept {
    if (r->connection->master != nullptr) {
        return "the client's connection is HTTP/2 and carries other requests, too";
    }
    if (r->main != nullptr) {
        return "the request is a subrequest: its answer is a part of another answer";
    }
    return clientSocket(r) < 0 ? "the client's connection has no socket" : nullptr;
}

const char *HijackedConnection::sendHead(request_rec *r, const ResponseHead &head) {
    if (r->status == HTTP_SWITCHING_PROTOCOLS) {
        if (r->proto_num < HTTP_VERSION(1, 1)) {
            return "an upgrade of an HTTP/1.0 connection";
        }
        if (!isUpgradeWanted(r)) {
            return "an upgrade that the client did not ask for";
        }
        r->connection->keepalive = AP_CONN_CLOSE;
        if (head.upgrade()) {
            apr_table_setn(r->headers_out, "Upgrade",
                           apr_pstrmemdup(r->pool, head.upgrade()->data(), head.upgrade()->size()));
        }
        apr_table_setn(r->headers_out, "Connection", "Upgrade");
        ap_send_interim_response(r, 1);
        return nullptr;
    }
    r->connection->keepalive = AP_CONN_CLOSE;
    // httpd must not frame what the application frames.
    r->chunked = 0;
    if (head.chunked()) {
        apr_table_setn(r->headers_out, "Transfer-Encoding", "chunked");
    }
    removeContentFilters(r);
    apr_bucket_brigade *brigade = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    APR_BRIGADE_INSERT_TAIL(brigade, apr_bucket_flush_create(r->connection->bucket_alloc));
    ap_pass_brigade(r->output_filters, brigade);
    apr_brigade_destroy(brigade);
    return nullptr;
}

void HijackedConnection::leaveHttp(request_rec *r) noexcept {
    conn_rec *connection = r->connection;
    connection->keepalive = AP_CONN_CLOSE;
    r->output_filters = r->proto_output_filters = connection->output_filters;
    // mod_reqtimeout's limit for request bodies would end the connection at a later read.
    ap_remove_input_filter_byhandle(connection->input_filters, "reqtimeout");
    r->input_filters = r->proto_input_filters = connection->input_filters;
}

void HijackedConnection::relay(std::span<char> buffer) {
    leaveHttp(r_);
    client_ = clientSocket(r_);
    pending_ = apr_brigade_create(r_->pool, r_->connection->bucket_alloc);
    answer_ = apr_brigade_create(r_->pool, r_->connection->bucket_alloc);
    if (!start_.empty()) {
        toClient(start_);
    }
    while (!over_ && r_->connection->aborted == 0) {
        const bool more = fromClient();
        if (!over_) {
            waitForEither(more);
        }
        if (!over_ && answerWaits_ && clientTakes()) {
            fromApplication(buffer.first(std::min(buffer.size(), PIECE)));
        }
    }
    apr_brigade_cleanup(pending_);
}

/** Passes on one piece from the client. @return whether more may follow now, and the application
 *  takes more */
bool HijackedConnection::fromClient() {
    if (APR_BRIGADE_EMPTY(pending_) && clientMayHaveSaid_) {
        readClient();
    }
    return sendPending() && clientMayHaveSaid_;
}

/** Reads through httpd's filters, which know TLS, and may have read more than the request's
 *  head. */
void HijackedConnection::readClient() {
    const apr_status_t status =
        ap_get_brigade(r_->connection->input_filters, pending_, AP_MODE_READBYTES, APR_NONBLOCK_READ, PIECE);
    if (APR_STATUS_IS_EAGAIN(status) || (status == APR_SUCCESS && APR_BRIGADE_EMPTY(pending_))) {
        clientMayHaveSaid_ = false;
        return;
    }
    if (status != APR_SUCCESS) {
        clientMayHaveSaid_ = false;
        clientEnded_ = true;
        over_ = !APR_STATUS_IS_EOF(status);
        ::shutdown(stream_.get(), SHUT_WR);
    }
}

/** Sends the client's bytes to the application, and drops them if it has closed its side. @return
 *  false: the application takes no more for now */
bool HijackedConnection::sendPending() {
    if (APR_BRIGADE_EMPTY(pending_)) {
        tookAt_ = std::chrono::steady_clock::now();
    }
    while (!APR_BRIGADE_EMPTY(pending_)) {
        apr_bucket *bucket = APR_BRIGADE_FIRST(pending_);
        const char *data = nullptr;
        apr_size_t size = 0;
        if (!APR_BUCKET_IS_METADATA(bucket) && apr_bucket_read(bucket, &data, &size, APR_BLOCK_READ) != APR_SUCCESS) {
            over_ = true;
            return false;
        }
        if (size > 0) {
            const ssize_t sent = ::send(stream_.get(), data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
            if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
                return false;
            }
            tookAt_ = std::chrono::steady_clock::now();
            if (sent >= 0 && static_cast<apr_size_t>(sent) < size) {
                apr_bucket_split(bucket, static_cast<apr_size_t>(sent));
            }
        }
        apr_bucket_delete(bucket);
    }
    return true;
}

void HijackedConnection::waitForEither(bool more) {
    const bool pending = !APR_BRIGADE_EMPTY(pending_);
    const int news = pending ? (clientHangsUp_ ? 0 : POLLRDHUP) : (clientEnded_ ? 0 : POLLIN);
    pollfd entries[2] = {{client_, static_cast<short>(news | (answerWaits_ ? POLLOUT : 0)), 0},
                         {stream_.get(), static_cast<short>((answerWaits_ ? 0 : POLLIN) | (pending ? POLLOUT : 0)), 0}};
    if (entries[1].events == 0) {
        entries[1].fd = -1;  // poll() would report the hang-up again and again
    }
    int patience = answerWaits_ ? patienceLeft() : clientEnded_ ? SILENCE_AFTER_CLIENT : -1;
    if (pending) {
        patience = patience < 0 ? applicationTimeLeft() : std::min(patience, applicationTimeLeft());
    }
    const int ready = poll(entries, 2, more ? 0 : patience);
    if (ready < 0) {
        over_ = errno != EINTR;
        return;
    }
    clientHangsUp_ = clientHangsUp_ || (entries[0].revents & POLLRDHUP) != 0;
    if (pending && (entries[1].revents & POLLOUT) == 0 && applicationTimeLeft() == 0) {
        giveUp("the application took nothing of its client");
        return;
    }
    if (ready == 0 && !more && !answerWaits_ && !pending) {
        over_ = true;
        return;
    }
    // Bytes of the client are no reason to wait longer for it.
    if (answerWaits_ && (entries[0].revents & POLLOUT) == 0 && patienceLeft() == 0) {
        giveUp("the client read nothing for httpd's Timeout");
        return;
    }
    clientMayHaveSaid_ = clientMayHaveSaid_ || (entries[0].revents & POLLIN) != 0;
    if (!answerWaits_ && (entries[1].revents & ~POLLOUT) != 0) {
        answerWaits_ = true;
        waitsSince_ = std::chrono::steady_clock::now();
    }
    if ((entries[0].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0 && (entries[0].revents & POLLIN) == 0) {
        over_ = true;
    }
}

/** For a client that does not take the bytes that wait. In milliseconds. */
int HijackedConnection::patienceLeft() const {
    return millisecondsUntil(waitsSince_ + std::chrono::microseconds(r_->server->timeout));
}

/** For an application that takes none of the bytes that wait for it. In milliseconds. */
int HijackedConnection::applicationTimeLeft() const {
    const int times = clientHangsUp_ ? 1 : TIMES_FOR_A_CLIENT;
    return millisecondsUntil(tookAt_ + std::chrono::microseconds(r_->server->timeout) * times);
}

void HijackedConnection::giveUp(const char *reason) {
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r_, "event=connection.given_up %s reason=\"%s\" uri=\"%s\"",
                  RequestNotes::subject(r_), reason, r_->uri);
    over_ = true;
    r_->connection->aborted = 1;
}

bool HijackedConnection::clientTakes() const noexcept {
    pollfd entry{client_, POLLOUT, 0};
    return poll(&entry, 1, 0) > 0;
}

void HijackedConnection::fromApplication(std::span<char> buffer) {
    answerWaits_ = false;
    try {
        // Not recv(): the close of a descriptor that comes with the bytes may wait.
        const Received received = receiveWithDescriptors(stream_, buffer, MSG_DONTWAIT);
        over_ = received.size == 0 || !received.descriptors.empty();
        if (!over_) {
            toClient({buffer.data(), received.size});
        }
    } catch (const SystemException &error) {
        over_ = error.error() != EAGAIN;
    }
}

void HijackedConnection::toClient(std::string_view bytes) {
    apr_bucket_alloc_t *allocator = r_->connection->bucket_alloc;
    APR_BRIGADE_INSERT_TAIL(answer_, apr_bucket_transient_create(bytes.data(), bytes.size(), allocator));
    APR_BRIGADE_INSERT_TAIL(answer_, apr_bucket_flush_create(allocator));
    over_ = ap_pass_brigade(r_->connection->output_filters, answer_) != APR_SUCCESS;
    apr_brigade_cleanup(answer_);
    r_->bytes_sent += static_cast<apr_off_t>(bytes.size());
}

}  // namespace Passenger
