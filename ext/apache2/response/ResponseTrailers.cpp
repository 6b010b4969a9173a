#include "apache2/response/ResponseTrailers.h"

#include <cstring>

#include "apache2/httpd/PoolText.h"
#include "base/HttpText.h"

namespace Passenger::ResponseTrailers {

namespace {

constexpr const char *FILTER = "PASSENGER_TRAILERS";
/** The bucket that httpd's filter of chunks puts before the end of the answer. */
constexpr std::string_view LAST_CHUNK = "0\r\n\r\n";

bool isHttp2(const request_rec *r) {
    return r->connection->master != nullptr;
}

bool isLastChunk(apr_bucket *bucket) {
    const char *data = nullptr;
    apr_size_t size = 0;
    return !APR_BUCKET_IS_METADATA(bucket) && bucket->length == LAST_CHUNK.size() &&
           apr_bucket_read(bucket, &data, &size, APR_BLOCK_READ) == APR_SUCCESS &&
           std::string_view(data, size) == LAST_CHUNK;
}

struct InsertionPoint {
    request_rec *r;
    apr_bucket *next;
};

void insertText(const InsertionPoint &point, const char *text) {
    apr_bucket *bucket = apr_bucket_pool_create(text, std::strlen(text), point.r->pool, point.next->list);
    APR_BUCKET_INSERT_BEFORE(point.next, bucket);
}

int insertLine(void *point, const char *name, const char *value) {
    const InsertionPoint &where = *static_cast<const InsertionPoint *>(point);
    insertText(where, apr_pstrcat(where.r->pool, name, ": ", value, "\r\n", nullptr));
    return 1;
}

void insertFields(request_rec *r, apr_bucket_brigade *brigade, apr_bucket *end) {
    apr_bucket *chunk = APR_BUCKET_PREV(end);
    if (chunk == APR_BRIGADE_SENTINEL(brigade) || !isLastChunk(chunk) || apr_is_empty_table(r->trailers_out)) {
        return;
    }
    InsertionPoint point{r, end};
    insertText(point, "0\r\n");
    apr_table_do(insertLine, &point, r->trailers_out, nullptr);
    insertText(point, "\r\n");
    apr_bucket_delete(chunk);
}

/** Stands behind httpd's filter of chunks. */
apr_status_t filter(ap_filter_t *self, apr_bucket_brigade *brigade) noexcept {
    for (apr_bucket *bucket = APR_BRIGADE_FIRST(brigade); bucket != APR_BRIGADE_SENTINEL(brigade);
         bucket = APR_BUCKET_NEXT(bucket)) {
        if (APR_BUCKET_IS_EOS(bucket)) {
            insertFields(self->r, brigade, bucket);
            ap_remove_output_filter(self);
            break;
        }
    }
    return ap_pass_brigade(self->next, brigade);
}

}  // namespace

bool areTaken(const request_rec *r) {
    if (r->header_only != 0 || r->main != nullptr) {
        return false;
    }
    const char *codings = apr_table_get(r->headers_in, "TE");
    return isHttp2(r) || (mayChunk(r) && codings != nullptr && HttpText::listHas(codings, "trailers"));
}

bool mayChunk(const request_rec *r) {
    return r->proto_num >= HTTP_VERSION(1, 1) && apr_table_get(r->subprocess_env, "downgrade-1.0") == nullptr;
}

void announce(request_rec *r, const ResponseHead &head) {
    if (!areTaken(r) || head.contentLength()) {
        return;
    }
    if (head.trailer()) {
        apr_table_setn(r->headers_out, "Trailer", copyInto(r->pool, *head.trailer()));
    }
    if (!isHttp2(r)) {
        r->chunked = 1;
        ap_add_output_filter(FILTER, nullptr, r, r->connection);
    }
}

const char *add(request_rec *r, std::string_view lines) {
    ResponseHead fields;
    if (const char *problem = fields.parse(lines)) {
        return problem;
    }
    for (const ResponseHead::Header &field : fields.headers()) {
        apr_table_addn(r->trailers_out, copyInto(r->pool, field.name), copyInto(r->pool, field.value));
    }
    return nullptr;
}

void addFilter() {
    ap_register_output_filter(FILTER, filter, nullptr, static_cast<ap_filter_type>(AP_FTYPE_TRANSCODE + 1));
}

}  // namespace Passenger::ResponseTrailers
