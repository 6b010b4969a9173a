#include "apache2/response/AnswerBuffer.h"

#include <apr_portable.h>

#include <cstdlib>
#include <new>

#include "apache2/config/Settings.h"
#include "apache2/request/RequestNotes.h"
#include "base/Exceptions.h"
#include "exchange/MessageSession.h"
#include "shm/Layouts.h"

namespace Passenger {

namespace {

/** Body bytes up to this number are copied, so that few bytes do not occupy a whole buffer. */
constexpr std::size_t SMALL_BODY = 8 * 1024;
/** The limit when bytes already wait: more of them are copied, since whole buffers would waste
 *  memory. */
constexpr std::size_t SMALL_BODY_WAITING = 32 * 1024;

apr_status_t closeFile(void *file) {
    delete static_cast<SpoolFile *>(file);
    return APR_SUCCESS;
}

}  // namespace

AnswerBuffer::AnswerBuffer(request_rec *r, const char *app, SpoolQuota &quota, LineLimits &lines)
    : r_(r),
      app_(app),
      quota_(quota),
      lines_(lines),
      limit_(static_cast<std::uint64_t>(Settings::of(ap_server_conf).responseBufferHighWatermark)) {}

AnswerBuffer::~AnswerBuffer() {
    free(reply_);
}

std::span<char> AnswerBuffer::forReply() {
    if (reply_ == nullptr) {
        // Not from the connection's allocator: that of an HTTP/2 stream maps and unmaps so much
        // memory for each request.
        reply_ = static_cast<char *>(malloc(MessageSession::BUFFER_SIZE));
        if (reply_ == nullptr) {
            throw std::bad_alloc();
        }
    }
    return {reply_, MessageSession::BUFFER_SIZE};
}

void AnswerBuffer::begin() {
    front_ = apr_brigade_create(r_->pool, r_->connection->bucket_alloc);
    back_ = apr_brigade_create(r_->pool, r_->connection->bucket_alloc);
}

void AnswerBuffer::clear() {
    if (front_ != nullptr) {
        apr_brigade_cleanup(front_);
        apr_brigade_cleanup(back_);
    }
    ring_.reset();
    waiting_ = 0;
    behind_ = 0;
}

bool AnswerBuffer::full() const noexcept {
    return behind_ > 0 || size() + MAX_MESSAGE > (fileFailed_ ? std::uint64_t{MEMORY} : limit_);
}

bool AnswerBuffer::mayBeginFile() const noexcept {
    return !fileHasMore() && inMemory() + MAX_MESSAGE > MEMORY;
}

void AnswerBuffer::add(std::span<char> body, bool waits) {
    const bool fitsMemory = !fileHasMore() && inMemory() + body.size() <= MEMORY;
    if (behind_ == 0 && fitsMemory) {
        APR_BRIGADE_INSERT_TAIL(front_, bucketOf(body, waits));
        waiting_ += static_cast<apr_off_t>(body.size());
    } else if (behind_ > 0 || !keepInFile(body)) {
        APR_BRIGADE_INSERT_TAIL(back_, bucketOf(body, waits));
        behind_ += static_cast<apr_off_t>(body.size());
    }
}

apr_bucket *AnswerBuffer::bucketOf(std::span<char> body, bool waits) {
    apr_bucket_alloc_t *allocator = r_->connection->bucket_alloc;
    const bool inReply =
        reply_ != nullptr && body.data() >= reply_ && body.data() < reply_ + MessageSession::BUFFER_SIZE;
    if (!inReply || body.size() <= (waits ? SMALL_BODY_WAITING : SMALL_BODY)) {
        return apr_bucket_heap_create(body.data(), body.size(), nullptr, allocator);
    }
    // The bucket takes over the memory, which begins with the head or the frame's header.
    auto offset = static_cast<apr_size_t>(body.data() - reply_);
    apr_bucket *bucket = apr_bucket_heap_create(reply_, offset + body.size(), free, allocator);
    bucket->start = static_cast<apr_off_t>(offset);
    bucket->length = body.size();
    reply_ = nullptr;
    return bucket;
}

void AnswerBuffer::makeRing() {
    if (!ring_) {
        // The limit applies to the bytes that are present before a message is received.
        ring_.emplace(SpoolCharge(quota_, app_), limit_ + MAX_MESSAGE);
    }
}

void AnswerBuffer::logNotBuffered(const std::exception &problem, const char *consequence) noexcept {
    const auto *quota = dynamic_cast<const SpoolQuotaExceeded *>(&problem);
    if (const std::optional<unsigned> leftOut = lines_.mayLog(app_, "response.not_buffered")) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r_,
                      "event=response.not_buffered %s directive=%s reason=\"%s\" consequence=\"%s\" left_out=%u",
                      RequestNotes::subject(r_), quota != nullptr ? quota->directive() : "PassengerDataBufferDir",
                      problem.what(), consequence, *leftOut);
    }
}

/** @return false: the file may not grow, so the client must first take bytes from memory */
bool AnswerBuffer::keepInFile(std::span<char> body) noexcept {
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

/** Reads from the file, or takes the bytes that came after the file was full. */
bool AnswerBuffer::refill() {
    if (waiting_ > 0) {
        return true;
    }
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

std::size_t AnswerBuffer::takePiece(apr_bucket_brigade *to) {
    auto room = static_cast<apr_size_t>(PIECE);
    while (room > 0 && !APR_BRIGADE_EMPTY(front_)) {
        apr_bucket *bucket = APR_BRIGADE_FIRST(front_);
        if (bucket->length > room) {
            apr_bucket_split(bucket, room);
        }
        room -= bucket->length;
        APR_BUCKET_REMOVE(bucket);
        APR_BRIGADE_INSERT_TAIL(to, bucket);
    }
    waiting_ -= static_cast<apr_off_t>(PIECE - room);
    return PIECE - room;
}

bool AnswerBuffer::moveMemoryToFile() {
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
        insertFile(front_, *moved);
        return true;
    } catch (const SystemException &problem) {
        logNotBuffered(problem, "a thread waits for the client");
        return false;
    }
}

void AnswerBuffer::takeAll(apr_bucket_brigade *to) {
    APR_BRIGADE_CONCAT(to, front_);
    if (ring_) {
        for (const SpoolRing::Range &range : ring_->ranges()) {
            insertFile(to, range);
        }
    }
    APR_BRIGADE_CONCAT(to, back_);
    if (ring_) {
        // httpd reads from the file until it destroys the request's pool, its last step for an
        // answer.
        apr_pool_cleanup_register(pool(), new SpoolFile(ring_->release()), closeFile, apr_pool_cleanup_null);
        ring_.reset();
    }
    waiting_ = 0;
    behind_ = 0;
}

/** The pool of the client's own request. The rest of a subrequest's answer (mod_include) lives as
 *  long as that request. */
apr_pool_t *AnswerBuffer::pool() const noexcept {
    const request_rec *whole = r_;
    while (whole->main != nullptr) {
        whole = whole->main;
    }
    return whole->pool;
}

/** Adds a bucket of the file. Filters may take the descriptor into a file object of their own, so
 *  each bucket has its own file object. Filters do not close the descriptor. */
void AnswerBuffer::insertFile(apr_bucket_brigade *to, SpoolRing::Range range) const {
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
    APR_BRIGADE_INSERT_TAIL(to, bucket);
}

}  // namespace Passenger
