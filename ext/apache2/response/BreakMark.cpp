#include "apache2/response/BreakMark.h"

namespace Passenger::BreakMark {

namespace {

constexpr const char *FILTER = "PASSENGER_BREAK";

apr_status_t filter(ap_filter_t *self, apr_bucket_brigade *brigade) noexcept {
    apr_bucket *last = APR_BRIGADE_LAST(brigade);
    if (last == APR_BRIGADE_SENTINEL(brigade) || !APR_BUCKET_IS_EOS(last)) {
        return ap_pass_brigade(self->next, brigade);
    }
    APR_BUCKET_INSERT_BEFORE(last, bucket(self->r));
    ap_remove_output_filter(self);
    return ap_pass_brigade(self->next, brigade);
}

}  // namespace

apr_bucket *bucket(request_rec *r) {
    return ap_bucket_error_create(HTTP_BAD_GATEWAY, nullptr, r->pool, r->connection->bucket_alloc);
}

void set(request_rec *r) {
    r->no_cache = 1;
    while (r->main != nullptr) {
        r = r->main;
        r->no_cache = 1;
    }
    ap_add_output_filter(FILTER, nullptr, r, r->connection);
}

void addFilter() {
    ap_register_output_filter(FILTER, filter, nullptr, static_cast<ap_filter_type>(AP_FTYPE_PROTOCOL - 1));
}

}  // namespace Passenger::BreakMark
