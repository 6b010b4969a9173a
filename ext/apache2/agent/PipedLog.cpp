#include "apache2/agent/PipedLog.h"

extern "C" {
#include <apr_portable.h>
#include <http_log.h>
}

namespace Passenger {

int PipedLog::open(const std::string &logFile, apr_pool_t *plog, server_rec *server) {
    if (!logFile.starts_with('|')) {
        return -1;
    }
    // The forms of mod_log_config.
    const char *command = logFile.c_str() + 1;
    command += *command == '|' ? 1 : 0;
    const bool byShell = *command == '$';
    command += byShell ? 1 : 0;
    piped_log *log =
        ap_open_piped_log_ex(plog, apr_pstrdup(plog, command), byShell ? APR_SHELLCMD_ENV : APR_PROGRAM_ENV);
    apr_os_file_t descriptor = -1;
    if (log == nullptr || apr_os_file_get(&descriptor, ap_piped_log_write_fd(log)) != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, server,
                     "event=agent.log_failed command=\"%s\" directive=PassengerLogFile consequence=\"the agent writes "
                     "to httpd's error log until a reload starts the command\"",
                     command);
        return -1;
    }
    return descriptor;
}

}  // namespace Passenger
