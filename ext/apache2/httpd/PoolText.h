#pragma once

#include <string_view>

#include "apache2/httpd/Httpd.h"

namespace Passenger {

/** A copy that lives as long as the pool. */
inline char *copyInto(apr_pool_t *pool, std::string_view text) {
    // An empty view may have no address, of which there would be no copy; httpd crashes on a header without a value.
    return text.empty() ? apr_pstrdup(pool, "") : apr_pstrmemdup(pool, text.data(), text.size());
}

}  // namespace Passenger
