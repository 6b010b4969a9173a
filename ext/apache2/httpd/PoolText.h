#pragma once

#include <string_view>

#include "apache2/httpd/Httpd.h"

namespace Passenger {

/** @return a copy that lives as long as the pool */
inline char *copyInto(apr_pool_t *pool, std::string_view text) {
    // An empty view may have a null address, for which APR returns null. httpd crashes on a header
    // whose value is null.
    return text.empty() ? apr_pstrdup(pool, "") : apr_pstrmemdup(pool, text.data(), text.size());
}

inline const char *orEmpty(const char *text) noexcept {
    return text != nullptr ? text : "";
}

}  // namespace Passenger
