#pragma once

#include <fcntl.h>

#include <initializer_list>
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

/** Whether one load of the module has left descriptors to the next one. A part of data(). */
struct Left {
    bool present;
    /** The generation of httpd's configuration when they were left. Only the next one may use
     *  them. */
    int generation;

    /** httpd clears plog, and so closes the descriptors that are not negative, after it has read
     *  the configuration, whether or not it loads this module. The cleanup is APR's, since this
     *  code may be unloaded. */
    void leave(apr_pool_t *plog, std::initializer_list<int> descriptors) {
        *this = {true, ap_state_query(AP_SQ_CONFIG_GEN)};
        for (int fd : descriptors) {
            if (fd >= 0) {
                apr_file_t *file = nullptr;
                apr_os_pipe_put_ex(&file, &fd, 1, plog);
            }
        }
    }
    /** Puts copies in the place of the descriptors, if this load may use them. @return `present` */
    bool takeOver(std::initializer_list<int *> descriptors) {
        present = present && ap_state_query(AP_SQ_CONFIG_GEN) == generation + 1;
        if (present) {
            for (int *fd : descriptors) {
                *fd = fcntl(*fd, F_DUPFD_CLOEXEC, 3);
            }
        }
        return present;
    }
};

}  // namespace Passenger::Retained
