#include "apache2/request/ForgedHeaders.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "apache2/config/Settings.h"

namespace Passenger::ForgedHeaders {

namespace {

// The value of the note is the address of the client's text. A header that another module sets has
// another address.
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

std::span<const apr_table_entry_t> entries(const apr_table_t *table) {
    const apr_array_header_t *array = apr_table_elts(table);
    return {reinterpret_cast<const apr_table_entry_t *>(array->elts), static_cast<std::size_t>(array->nelts)};
}

/** @return whether httpd has merged the header from the trailer fields (MergeTrailers) */
bool isTrailer(const request_rec *r, const apr_table_entry_t &header) {
    return std::ranges::any_of(entries(r->trailers_in),
                               [&](const apr_table_entry_t &field) { return field.val == header.val; });
}

/** @return whether the header still has the value that the client has sent */
bool isFromClient(const request_rec *r, const apr_table_entry_t &header) {
    return isInternal(header.key) &&
           (apr_table_get(first(r)->notes, noteOf(r->pool, header.key)) == header.val || isTrailer(r, header));
}

}  // namespace

void note(request_rec *r) {
    if (first(r) != r) {
        // An internal redirect: mod_headers has added its own headers before.
        return;
    }
    for (const apr_table_entry_t &header : entries(r->headers_in)) {
        if (isInternal(header.key)) {
            apr_table_addn(r->notes, noteOf(r->pool, header.key), header.val);
        }
    }
}

void remove(request_rec *r) {
    if (r->proxyreq != PROXYREQ_NONE || !Settings::of(r).enabled) {
        return;
    }
    bool found = false;
    for (const apr_table_entry_t &header : entries(r->headers_in)) {
        found = found || isFromClient(r, header);
    }
    if (!found) {
        return;
    }
    // A subrequest shares the table of its parent, so the table must not be changed.
    apr_table_t *rest = apr_table_make(r->pool, apr_table_elts(r->headers_in)->nelts);
    for (const apr_table_entry_t &header : entries(r->headers_in)) {
        if (!isFromClient(r, header)) {
            apr_table_addn(rest, header.key, header.val);
        }
    }
    r->headers_in = rest;
}

void removeTrailers(request_rec *r) {
    if (!apr_is_empty_table(r->trailers_in)) {
        remove(r);
    }
}

}  // namespace Passenger::ForgedHeaders
