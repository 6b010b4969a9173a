#include "apache2/request/UploadBody.h"

#include <string_view>

#include "apache2/config/Settings.h"
#include "base/WholeNumber.h"

namespace Passenger {

namespace {

/** Accepts the same as httpd: digits only. */
std::optional<apr_off_t> parseLength(const char *text) {
    return *text == '-' ? std::nullopt : wholeNumber<apr_off_t>(text);
}

/** A note of the request that has read a body. */
constexpr const char *READ = "passenger-body-read";

/** Whether the body was read before httpd redirected the request internally. */
bool wasRead(const request_rec *r) {
    for (const request_rec *earlier = r->prev; earlier != nullptr; earlier = earlier->prev) {
        if (apr_table_get(earlier->notes, READ) != nullptr) {
            return true;
        }
    }
    return false;
}

}  // namespace

UploadBody::UploadBody(request_rec *r, const char *app, SpoolQuota &quota)
    : r_(r), app_(app), quota_(quota), readBefore_(wasRead(r)) {
    // A subrequest (mod_include) shares the connection of its main request, but not the body.
    if (r->main != nullptr || readBefore_) {
        return;
    }
    const char *length = apr_table_get(r->headers_in, "Content-Length");
    if (length != nullptr && apr_table_get(r->headers_in, "Transfer-Encoding") == nullptr) {
        length_ = parseLength(length);
        contentLength_ = length_ ? length : nullptr;
    }
    // For httpd a HEAD request has no body, whatever its head says.
    const bool headHasBody = r->header_only != 0 &&
                             (apr_table_get(r->headers_in, "Transfer-Encoding") != nullptr || length_.value_or(0) > 0);
    present_ = headHasBody || ap_request_has_body(r) != 0;
}

/** Reads once, and gives each piece to `take`. */
template <typename Take> int UploadBody::read(std::size_t most, bool waits, Take take) {
    if (brigade_ == nullptr) {
        brigade_ = apr_brigade_create(r_->pool, r_->connection->bucket_alloc);
        apr_table_setn(r_->notes, READ, "1");
    }
    apr_brigade_cleanup(brigade_);
    cause_ = ap_get_brigade(r_->input_filters, brigade_, AP_MODE_READBYTES, waits ? APR_BLOCK_READ : APR_NONBLOCK_READ,
                            static_cast<apr_off_t>(most));
    paused_ = !waits && (APR_STATUS_IS_EAGAIN(cause_) || (cause_ == APR_SUCCESS && APR_BRIGADE_EMPTY(brigade_)));
    if (paused_) {
        return 0;
    }
    if (cause_ != APR_SUCCESS) {
        return ap_map_http_request_error(cause_, HTTP_BAD_REQUEST);
    }
    ended_ = !APR_BRIGADE_EMPTY(brigade_) && APR_BUCKET_IS_EOS(APR_BRIGADE_LAST(brigade_));
    for (apr_bucket *bucket = APR_BRIGADE_FIRST(brigade_); bucket != APR_BRIGADE_SENTINEL(brigade_);
         bucket = APR_BUCKET_NEXT(bucket)) {
        const char *data = nullptr;
        apr_size_t size = 0;
        if (APR_BUCKET_IS_METADATA(bucket)) {
            continue;
        }
        cause_ = apr_bucket_read(bucket, &data, &size, APR_BLOCK_READ);
        if (cause_ != APR_SUCCESS) {
            return ap_map_http_request_error(cause_, HTTP_BAD_REQUEST);
        }
        take(std::string_view(data, size));
    }
    return 0;
}

int UploadBody::buffer() {
    const bool isSmall = length_ && *length_ <= SMALL && r_->expecting_100 == 0;
    if (!present_ || !(Settings::of(r_).bufferUpload || isSmall || headMayChange())) {
        return 0;
    }
    buffered_.emplace(SpoolCharge(quota_, app_));
    buffered_->expect(static_cast<std::uint64_t>(length_.value_or(0)));
    while (!ended_) {
        if (int failure = read(BLOCK, true, [this](std::string_view piece) { buffered_->append(piece); })) {
            return failure;
        }
    }
    buffered_->finish();
    return 0;
}

/** Whether a filter of httpd (SetInputFilter) may change what the request's head says of the body.
 *  The filter changes its length and Content-Encoding when it reads. The application gets both
 *  right if the body was read whole before. */
bool UploadBody::headMayChange() const noexcept {
    return r_->input_filters->frec->ftype < AP_FTYPE_PROTOCOL &&
           (length_ || apr_table_get(r_->headers_in, "Content-Encoding") != nullptr);
}

const char *UploadBody::contentLength() const {
    return buffered_ ? apr_psprintf(r_->pool, "%" APR_UINT64_T_FMT, static_cast<apr_uint64_t>(buffered_->size()))
                     : contentLength_;
}

FileDescriptor UploadBody::describe(MessageRequest &request) {
    if (!buffered_) {
        request.bodyFollows = present_;
        return {};
    }
    request.bodyFollows = !buffered_->fitsInline(request.environment.size());
    if (!request.bodyFollows) {
        request.body = *buffered_->whole();
    }
    FileDescriptor file = buffered_->file();
    request.bodyFile = file.get();
    request.bodyFileSize = buffered_->size();
    request.bodyFileGiven = [this](DescriptorSender application) { buffered_->given(application); };
    request.bodyInPieces = [this] { quota_.count(UsageLedger::Effect::BODY_IN_PIECES); };
    return file;
}

int UploadBody::readBlock(std::string &block, bool waits) {
    block.clear();
    do {
        if (int failure =
                read(BLOCK - block.size(), waits && block.empty(), [&](std::string_view piece) { block += piece; })) {
            return failure;
        }
    } while (!ended_ && !paused_ && block.size() < BLOCK);
    paused_ = paused_ && block.empty();
    return 0;
}

}  // namespace Passenger
