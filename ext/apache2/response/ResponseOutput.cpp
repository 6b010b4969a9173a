#include "apache2/response/ResponseOutput.h"

#include <apr_portable.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "apache2/config/Settings.h"
#include "apache2/request/ClientSocket.h"
#include "apache2/request/RequestNotes.h"
#include "base/Exceptions.h"
#include "shm/Layouts.h"

namespace Passenger {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

namespace {

/** Body bytes up to this number are copied, so that few bytes do not occupy a whole buffer. */
constexpr std::size_t SMALL_BODY = 8 * 1024;
/** The limit when bytes already wait: more of them are copied, since whole buffers would waste
 *  memory. */
constexpr std::size_t SMALL_BODY_WAITING = 32 * 1024;
/** How long an application waits for its client before a file is used, plus 10 ms for each MB that
 *  the client has taken. A client that reads 100 MB a second needs no file. */
constexpr milliseconds PATIENCE{20};
constexpr nanoseconds PATIENCE_FOR_A_BYTE{10};
/** With the bytes that httpd holds for a slow client, this is at most PIECE and its framing. */
constexpr apr_off_t LEFT_IN_MEMORY = 12 * 1024;
/** Over HTTP/2, more bytes are kept until the application has finished, or has sent nothing for
 *  QUIET. */
constexpr std::uint64_t LITTLE = 16 * 1024;
constexpr milliseconds QUIET{100};

apr_status_t closeFile(void *file) {
    delete static_cast<SpoolFile *>(file);
    return APR_SUCCESS;
}

}  // namespace

ResponseOutput::ResponseOutput(request_rec *r, const char *app, const Limits &limits)
    : r_(r),
      app_(app),
      limits_(limits),
      limit_(static_cast<std::uint64_t>(Settings::of(ap_server_conf).responseBufferHighWatermarkOrDefault())),
      socket_(clientSocket(r)),
      held_(Settings::of(r).buffersResponse()) {}

ResponseOutput::~ResponseOutput() {
    if (buffer_ != nullptr) {
        apr_bucket_free(buffer_);
    }
}

std::span<char> ResponseOutput::buffer() {
    if (buffer_ == nullptr) {
        buffer_ = static_cast<char *>(apr_bucket_alloc(Session::BUFFER_SIZE, r_->connection->bucket_alloc));
    }
    return {buffer_, Session::BUFFER_SIZE};
}

void ResponseOutput::begin() {
    for (apr_bucket_brigade **brigade : {&front_, &back_, &passing_}) {
        *brigade = apr_brigade_create(r_->pool, r_->connection->bucket_alloc);
    }
    owesFlush_ = true;
}

void ResponseOutput::clear() {
    if (front_ != nullptr) {
        apr_brigade_cleanup(front_);
        apr_brigade_cleanup(back_);
    }
    ring_.reset();
    waiting_ = 0;
    behind_ = 0;
}

std::uint64_t ResponseOutput::stored() const noexcept {
    return static_cast<std::uint64_t>(waiting_ + behind_) + (ring_ ? ring_->size() : 0);
}

/** @return whether at most one more message has room */
bool ResponseOutput::full() const noexcept {
    return behind_ > 0 || stored() + MAX_MESSAGE > (fileFailed_ ? std::uint64_t{MEMORY} : limit_);
}

void ResponseOutput::add(std::span<char> body) {
    if (held_ && full()) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r_,
                      "event=response.streamed %s reason=\"longer than PassengerResponseBufferHighWatermark\"",
                      RequestNotes::subject(r_));
        held_ = false;
    }
    const bool fitsMemory = !fileHasMore() && waiting_ + body.size() <= MEMORY;
    if (behind_ == 0 && fitsMemory) {
        APR_BRIGADE_INSERT_TAIL(front_, bucketOf(body));
        waiting_ += static_cast<apr_off_t>(body.size());
    } else if (behind_ > 0 || !keepInFile(body)) {
        APR_BRIGADE_INSERT_TAIL(back_, bucketOf(body));
        behind_ += static_cast<apr_off_t>(body.size());
    }
}

apr_bucket *ResponseOutput::bucketOf(std::span<char> body) {
    apr_bucket_alloc_t *allocator = r_->connection->bucket_alloc;
    const bool inBuffer = buffer_ != nullptr && body.data() >= buffer_ && body.data() < buffer_ + Session::BUFFER_SIZE;
    if (!inBuffer || body.size() <= (lags_ || held_ ? SMALL_BODY_WAITING : SMALL_BODY)) {
        return apr_bucket_heap_create(body.data(), body.size(), nullptr, allocator);
    }
    // The bucket takes over the buffer, which begins with the head or the frame's header.
    auto offset = static_cast<apr_size_t>(body.data() - buffer_);
    apr_bucket *bucket = apr_bucket_heap_create(buffer_, offset + body.size(), apr_bucket_free, allocator);
    bucket->start = static_cast<apr_off_t>(offset);
    bucket->length = body.size();
    buffer_ = nullptr;
    return bucket;
}

void ResponseOutput::makeRing() {
    if (!ring_) {
        // The limit applies to the bytes that are present before a message is received.
        ring_.emplace(SpoolCharge(limits_.quota, app_), limit_ + MAX_MESSAGE);
    }
}

/** A full quota stops many answers at once, so not each of them is logged. */
void ResponseOutput::logNotBuffered(const std::exception &problem, const char *consequence) noexcept {
    const auto *quota = dynamic_cast<const SpoolQuotaExceeded *>(&problem);
    const std::optional<unsigned> leftOut = quota != nullptr ? limits_.log.mayLog() : std::optional(0U);
    if (leftOut) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r_,
                      "event=response.not_buffered %s directive=%s reason=\"%s\" consequence=\"%s\" left_out=%u",
                      RequestNotes::subject(r_), quota != nullptr ? quota->directive() : "PassengerDataBufferDir",
                      problem.what(), consequence, *leftOut);
    }
}

/** @return false: the file may not grow, so the client must first take bytes from memory */
bool ResponseOutput::keepInFile(std::span<char> body) noexcept {
    if (fileFailed_) {
        return false;
    }
    try {
        makeRing();
        ring_->append({body.data(), body.size()});
        return true;
    } catch (const std::exception &problem) {
        fileFailed_ = true;
        logNotBuffered(problem, "the application waits for its client");
        return false;
    }
}

/** @return whether httpd has sent all bytes passed on. Never waits. */
bool ResponseOutput::takes() {
    conn_rec *connection = r_->connection;
    if (socket_ >= 0 && connection->data_in_output_filters != 0) {
        // The event MPM does the same after a request: the last filter writes as much as possible.
        ap_filter_t *core = connection->output_filters;
        while (core->next != nullptr) {
            core = core->next;
        }
        core->frec->filter_func.out_func(core, nullptr);
        if (connection->aborted != 0) {
            lost_ = OK;
        }
        return connection->data_in_output_filters == 0;
    }
    return true;
}

/** Reads from the file, or takes the bytes that came after the file was full. @return false: there
 *  is nothing */
bool ResponseOutput::refill() {
    if (fileHasMore()) {
        auto *bytes = static_cast<char *>(apr_bucket_alloc(PIECE, r_->connection->bucket_alloc));
        apr_bucket *bucket = apr_bucket_heap_create(bytes, PIECE, apr_bucket_free, r_->connection->bucket_alloc);
        bucket->length = 0;
        APR_BRIGADE_INSERT_TAIL(front_, bucket);
        bucket->length = ring_->take({bytes, PIECE});
        waiting_ += static_cast<apr_off_t>(bucket->length);
    } else {
        APR_BRIGADE_CONCAT(front_, back_);
        waiting_ += behind_;
        behind_ = 0;
    }
    return waiting_ > 0;
}

void ResponseOutput::forward(bool pause) {
    if (held_) {
        return;
    }
    owesFlush_ = owesFlush_ || pause;
    if (socket_ < 0 && taken_ > 0 && stored() > LITTLE && !quiet_) {
        lags_ = true;
        return;
    }
    const bool lagged = lags_;
    lags_ = false;
    while (!lost_) {
        if (!takes()) {
            lags_ = true;
            owesFlush_ = true;
            break;
        }
        lastTaken_ = lagged ? Clock::now() : lastTaken_;
        if (waiting_ == 0 && !refill()) {
            break;
        }
        if (!pause && socket_ >= 0 && waiting_ < static_cast<apr_off_t>(PIECE) && behind_ == 0 && !fileHasMore()) {
            break;  // The next bytes follow it, or the end.
        }
        passPiece();
        if (socket_ < 0 && stored() > LITTLE && end_ == End::NONE) {
            // The application may go on, so it waits for one piece at most.
            lags_ = true;
            break;
        }
    }
    if (!lost_ && !lags_ && owesFlush_ && (pause || lagged)) {
        lags_ = socket_ >= 0 && !socketHasRoom(milliseconds(0));
        if (!lags_) {
            flush();
        }
    }
    if (lags_ && !lagged) {
        lastTaken_ = Clock::now();
    }
}

void ResponseOutput::passPiece() {
    auto room = static_cast<apr_size_t>(PIECE);
    while (room > 0 && !APR_BRIGADE_EMPTY(front_)) {
        apr_bucket *bucket = APR_BRIGADE_FIRST(front_);
        if (bucket->length > room) {
            apr_bucket_split(bucket, room);
        }
        room -= bucket->length;
        APR_BUCKET_REMOVE(bucket);
        APR_BRIGADE_INSERT_TAIL(passing_, bucket);
    }
    waiting_ -= static_cast<apr_off_t>(PIECE - room);
    taken_ += PIECE - room;
    pass();
}

void ResponseOutput::flush() {
    owesFlush_ = false;
    APR_BRIGADE_INSERT_TAIL(passing_, apr_bucket_flush_create(r_->connection->bucket_alloc));
    pass();
}

void ResponseOutput::pass() {
    passed_ = true;
    const apr_status_t status = ap_pass_brigade(r_->output_filters, passing_);
    apr_brigade_cleanup(passing_);
    if (status != APR_SUCCESS || r_->connection->aborted != 0) {
        lost_ = status == AP_FILTER_ERROR ? AP_FILTER_ERROR : OK;
    } else if (!ended_ && r_->eos_sent != 0) {
        // mod_xsendfile has replaced the answer with a file. The client would take further bytes
        // for the next answer.
        lost_ = OK;
    }
}

bool ResponseOutput::socketHasRoom(milliseconds timeout) const noexcept {
    pollfd entry{socket_, POLLOUT, 0};
    return poll(&entry, 1, static_cast<int>(timeout.count())) > 0;
}

milliseconds ResponseOutput::patienceLeft() const noexcept {
    const auto all = PATIENCE + PATIENCE_FOR_A_BYTE * static_cast<std::int64_t>(taken_);
    return std::max(milliseconds(0), std::chrono::duration_cast<milliseconds>(all - waited_));
}

milliseconds ResponseOutput::untilGivenUp() const noexcept {
    const milliseconds timeout(apr_time_as_msec(r_->server->timeout));
    return std::max(milliseconds(0), timeout - std::chrono::duration_cast<milliseconds>(Clock::now() - lastTaken_));
}

/** Waits for the client, with the application. */
void ResponseOutput::waitForClient(Session &session, milliseconds timeout) {
    const Clock::time_point before = Clock::now();
    socketHasRoom(timeout);
    waited_ += Clock::now() - before;
    session.excuse(Clock::now() - before);
}

bool ResponseOutput::awaitReply(Session &session) {
    if (!lags_) {
        place_.reset();
        quiet_ = false;
        return true;
    }
    if (socket_ < 0) {
        if (!full() && session.awaitReply(-1, Session::Awaited::ROOM, quiet_ ? milliseconds(0) : QUIET).reply) {
            quiet_ = false;
            return true;
        }
        quiet_ = true;
        forward(true);
        return false;
    }
    if (fileFailed_ && full() && !mayWait()) {
        return false;
    }
    const milliseconds left = untilGivenUp();
    if (left == milliseconds(0) && !socketHasRoom(left)) {
        giveUp();
        return false;
    }
    bool reply = false;
    if (full()) {
        waitForClient(session, left);
    } else if (!fileHasMore() && waiting_ + MAX_MESSAGE > MEMORY && patienceLeft() > milliseconds(0)) {
        waitForClient(session, std::min(left, patienceLeft()));
    } else {
        reply = session.awaitReply(socket_, Session::Awaited::ROOM, left).reply;
    }
    forward(!reply);
    return reply && !lost_;
}

void ResponseOutput::giveUp() {
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r_,
                  "event=request.given_up %s reason=\"the client read nothing for httpd's Timeout\" uri=\"%s\"",
                  RequestNotes::subject(r_), r_->uri);
    r_->connection->aborted = 1;
    lost_ = OK;
}

/**
 * Whether this thread may wait for a client while the application's files may not grow. Otherwise
 * the connection is cut: the application has as many slow clients as it may, and the threads that
 * are left are for others.
 */
bool ResponseOutput::mayWait() {
    if (place_) {
        return true;
    }
    if (std::optional<ThreadLimit::Place> place = limits_.slowClients.take(app_)) {
        place_.emplace(std::move(*place));
        return true;
    }
    limits_.quota.count(UsageLedger::Effect::CLIENT_CUT);
    if (const std::optional<unsigned> leftOut = limits_.log.mayLog()) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r_,
                      "event=response.client_cut %s directive=PassengerMaxSlowClients reason=\"threads of this httpd "
                      "process wait for %lu slow clients of the application, the most that may\" "
                      "uri=\"%s\" left_out=%u",
                      RequestNotes::subject(r_), static_cast<unsigned long>(limits_.slowClients.most()), r_->uri,
                      *leftOut);
    }
    r_->connection->aborted = 1;
    reset();
    lost_ = OK;
    return false;
}

void ResponseOutput::deliver() {
    if (end_ == End::NONE || lost_) {
        return;
    }
    try {
        // Over HTTP/2, bytes handed over to httpd would outlive the request.
        held_ = held_ && socket_ >= 0;
        const bool small = waiting_ <= static_cast<apr_off_t>(PIECE) && behind_ == 0 && !fileHasMore();
        quiet_ = true;
        if (!small && (socket_ >= 0 || !fileFailed_ || mayWait())) {
            forward(false);
        }
    } catch (const SystemException &problem) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r_, "event=response.lost %s reason=\"%s\"", RequestNotes::subject(r_),
                      problem.what());
        clear();
        breakOff();
    }
    if (!lost_) {
        handOver();
    }
}

/** Hands the rest over to httpd. httpd may hold little memory for a slow client: with more, it
 *  waits on this thread. */
void ResponseOutput::handOver() {
    // Over HTTP/2 no byte is left, and a file would outlive the request.
    if (socket_ >= 0 && waiting_ > (takes() ? static_cast<apr_off_t>(PIECE) : LEFT_IN_MEMORY) && !moveMemoryToFile() &&
        !mayWait()) {
        return;
    }
    APR_BRIGADE_CONCAT(passing_, front_);
    if (ring_) {
        for (const SpoolRing::Range &range : ring_->ranges()) {
            insertFile(range);
        }
    }
    APR_BRIGADE_CONCAT(passing_, back_);
    if (ring_) {
        // httpd reads from the file until it destroys the request's pool, its last step for an
        // answer.
        apr_pool_cleanup_register(pool(), new SpoolFile(ring_->release()), closeFile, apr_pool_cleanup_null);
        ring_.reset();
    }
    insertEnd();
    pass();
    if (end_ == End::BROKEN && isUnframed()) {
        reset();
    }
}

/** The pool of the client's own request. The rest of a subrequest's answer (mod_include) lives as
 *  long as that request. */
apr_pool_t *ResponseOutput::pool() const noexcept {
    const request_rec *whole = r_;
    while (whole->main != nullptr) {
        whole = whole->main;
    }
    return whole->pool;
}

/** Moves the bytes in memory to the file. @return false: they stay in memory */
bool ResponseOutput::moveMemoryToFile() {
    try {
        makeRing();
        std::optional<SpoolRing::Range> moved;
        for (apr_bucket *bucket = APR_BRIGADE_FIRST(front_); bucket != APR_BRIGADE_SENTINEL(front_);
             bucket = APR_BUCKET_NEXT(bucket)) {
            const char *data = nullptr;
            apr_size_t size = 0;
            if (apr_bucket_read(bucket, &data, &size, APR_BLOCK_READ) != APR_SUCCESS) {
                return false;
            }
            const SpoolRing::Range range = ring_->keepBeside({data, size});
            moved = SpoolRing::Range{moved ? moved->position : range.position, (moved ? moved->length : 0) + size};
        }
        apr_brigade_cleanup(front_);
        insertFile(*moved);
        return true;
    } catch (const SystemException &problem) {
        logNotBuffered(problem, "a thread waits for the client");
        return false;
    }
}

/** Adds a bucket of the file. Filters may take the descriptor into a file object of their own, so
 *  each bucket has its own file object. Filters do not close the descriptor. */
void ResponseOutput::insertFile(SpoolRing::Range range) const {
    if (range.length == 0) {
        return;
    }
    // The core output filter counts bytes that it reads from a file, mapped or not, as memory, and
    // then waits for the client. sendfile() reads nothing.
    constexpr apr_int32_t FLAGS = APR_FOPEN_READ | APR_FOPEN_SENDFILE_ENABLED;
    apr_os_file_t descriptor = ring_->descriptor();
    apr_file_t *file = nullptr;
    apr_os_file_put(&file, &descriptor, FLAGS, pool());
    apr_bucket *bucket =
        apr_bucket_file_create(file, static_cast<apr_off_t>(range.position), static_cast<apr_size_t>(range.length),
                               pool(), r_->connection->bucket_alloc);
    apr_bucket_file_enable_mmap(bucket, 0);
    APR_BRIGADE_INSERT_TAIL(passing_, bucket);
}

/** @return whether the end of the connection ends the answer (HTTP/1.0) */
bool ResponseOutput::isUnframed() const noexcept {
    return socket_ >= 0 && r_->chunked == 0 && apr_table_get(r_->headers_out, "Content-Length") == nullptr;
}

/** Resets the connection: an orderly end would look like the end of a whole answer. */
void ResponseOutput::reset() const noexcept {
    const linger hard{1, 0};
    setsockopt(socket_, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    r_->connection->aborted = 1;
}

void ResponseOutput::insertEnd() {
    ended_ = true;
    apr_bucket_alloc_t *allocator = r_->connection->bucket_alloc;
    if (end_ == End::BROKEN && isUnframed()) {
        APR_BRIGADE_INSERT_TAIL(passing_, apr_bucket_flush_create(allocator));
    }
    if (end_ == End::BROKEN) {
        // The error bucket makes httpd's filters omit the final chunk, and makes caches discard the
        // answer.
        r_->no_cache = 1;
        r_->connection->keepalive = AP_CONN_CLOSE;
        APR_BRIGADE_INSERT_TAIL(passing_, ap_bucket_error_create(HTTP_BAD_GATEWAY, nullptr, r_->pool, allocator));
    }
    APR_BRIGADE_INSERT_TAIL(passing_, apr_bucket_eos_create(allocator));
}

}  // namespace Passenger
