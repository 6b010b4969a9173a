#pragma once

#include <type_traits>

#include "apache2/httpd/Httpd.h"

extern "C" {
#include <apr_portable.h>
}

/** What the module leaves to the next load of its code. httpd's parent unloads it on each
 *  reload. */
namespace Passenger::Retained {

/** Plain data that httpd keeps under this name, zeroed at first. A change of T needs a new name. */
template <typename T> T &data(const char *name) {
    static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);
    void *found = ap_retained_data_get(name);
    if (found == nullptr) {
        found = ap_retained_data_create(name, sizeof(T));
    }
    return *static_cast<T *>(found);
}

/**
 * Whether httpd will serve with the configuration that it has just read. At its start it reads the
 * configuration twice, the first time before it becomes a daemon. A module that a reload adds sees
 * only the second pass. So httpd's state tells the passes apart, and not a counter.
 */
inline bool isForService() {
    return ap_state_query(AP_SQ_RUN_MODE) == AP_SQ_RM_NORMAL &&
           ap_state_query(AP_SQ_MAIN_STATE) > AP_SQ_MS_CREATE_PRE_CONFIG;
}

/**
 * Makes httpd close a descriptor, unless it is negative. httpd clears plog after it has read the
 * configuration, whether or not it loads this module. The cleanup is APR's, since this code may be
 * unloaded.
 */
inline void closeWith(apr_pool_t *plog, int fd) {
    if (fd >= 0) {
        apr_file_t *file = nullptr;
        apr_os_pipe_put_ex(&file, &fd, 1, plog);
    }
}

}  // namespace Passenger::Retained
