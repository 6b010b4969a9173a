#include "apache2/request/MimeChoices.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "apache2/request/Route.h"

namespace Passenger::MimeChoices {

namespace {

/** Keys of the request's pool (filters) and notes (handler). After an internal redirect the pool
 *  may still have the lists of the earlier request, whose filters are others. */
constexpr const char *EARLIER = "passenger-earlier";
constexpr const char *BY_EXTENSION = "passenger-by-extension";
/** SetHandler may choose an empty name. */
constexpr const char *NO_HANDLER = "passenger-no-handler";

using Filters = std::span<ap_filter_t *const>;

Filters noted(const request_rec *r, const char *key) {
    void *list = nullptr;
    apr_pool_userdata_get(&list, key, r->pool);
    const auto *array = static_cast<const apr_array_header_t *>(list);
    if (array == nullptr) {
        return {};
    }
    return {reinterpret_cast<ap_filter_t **>(array->elts), static_cast<std::size_t>(array->nelts)};
}

/** Notes the request's own filters of contents, without `known` ones. */
void noteFilters(const request_rec *r, const char *key, Filters known) {
    apr_array_header_t *list = nullptr;
    for (ap_filter_t *filter : {r->output_filters, r->input_filters}) {
        for (; filter != nullptr && filter->frec->ftype < AP_FTYPE_PROTOCOL; filter = filter->next) {
            if (filter->r != r || std::ranges::find(known, filter) != known.end()) {
                continue;
            }
            list = list != nullptr ? list : apr_array_make(r->pool, 2, sizeof(ap_filter_t *));
            *static_cast<ap_filter_t **>(apr_array_push(list)) = filter;
        }
    }
    if (list != nullptr) {
        apr_pool_userdata_setn(list, key, nullptr, r->pool);
    }
}

/** @param name null: none */
bool isHandler(const request_rec *r, const char *name) noexcept {
    return r->handler != nullptr && name != nullptr && std::strcmp(r->handler, name) == 0;
}

}  // namespace

void noteEarlier(request_rec *r) {
    noteFilters(r, EARLIER, {});
    apr_table_setn(r->notes, EARLIER, r->handler != nullptr ? r->handler : NO_HANDLER);
}

void note(request_rec *r) {
    const char *earlier = apr_table_get(r->notes, EARLIER);
    // httpd's fast redirects bring notes of another request along.
    apr_table_unset(r->notes, EARLIER);
    apr_table_unset(r->notes, BY_EXTENSION);
    if (earlier == nullptr) {
        // A module has ended the phase before mod_mime.
        return;
    }
    noteFilters(r, BY_EXTENSION, noted(r, EARLIER));
    if (r->handler != nullptr && !isHandler(r, earlier)) {
        apr_table_setn(r->notes, BY_EXTENSION, r->handler);
    }
}

bool anotherChoseHandler(const request_rec *r) noexcept {
    // mod_dir names the handler of folders.
    return r->handler != nullptr && !isHandler(r, Route::HANDLER) && !isHandler(r, DIR_MAGIC_TYPE) &&
           !isHandler(r, apr_table_get(r->notes, BY_EXTENSION));
}

void removeFilters(request_rec *r) {
    for (ap_filter_t *filter : noted(r, BY_EXTENSION)) {
        if (filter->r == r) {
            // Either has no effect on a filter of the other list.
            ap_remove_output_filter(filter);
            ap_remove_input_filter(filter);
        }
    }
}

}  // namespace Passenger::MimeChoices
