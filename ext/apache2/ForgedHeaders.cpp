#include "ForgedHeaders.h"

#include <cstring>
#include <span>

namespace Passenger::ForgedHeaders {

namespace {

// The value of the note is the client's text itself: what another module sets instead has another address.
constexpr const char *NOTE = "passenger-sent-by-client ";

bool isInternal(const char *name) {
    return (name[0] == 'X' || name[0] == 'x') && name[1] == '-' &&
           (strcasecmp(name, "X-Sendfile-Type") == 0 || strncasecmp(name, "X-Accel-", 8) == 0);
}

const request_rec *first(const request_rec *r) {
    while (r->prev != nullptr || r->main != nullptr) {
        r = r->prev != nullptr ? r->prev : r->main;
    }
    return r;
}

const char *noteOf(apr_pool_t *pool, const char *name) {
    return apr_pstrcat(pool, NOTE, name, nullptr);
}

}  // namespace

void note(request_rec *r) {
    const apr_array_header_t *array = apr_table_elts(r->headers_in);
    const std::span headers(reinterpret_cast<const apr_table_entry_t *>(array->elts),
                            static_cast<std::size_t>(array->nelts));
    for (const apr_table_entry_t &header : headers) {
        if (isInternal(header.key)) {
            apr_table_addn(r->notes, noteOf(r->pool, header.key), header.val);
        }
    }
}

bool has(const request_rec *r, const apr_table_entry_t &header) {
    return isInternal(header.key) && apr_table_get(first(r)->notes, noteOf(r->pool, header.key)) == header.val;
}

}  // namespace Passenger::ForgedHeaders
