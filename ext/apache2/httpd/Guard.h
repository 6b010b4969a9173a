#pragma once

#include <exception>
#include <utility>

#include "apache2/httpd/Httpd.h"
#include "apache2/httpd/RequestSubject.h"

namespace Passenger {

/**
 * Runs the body of a hook. httpd is C, so an exception must not leave a hook: it becomes a log
 * entry and HTTP_INTERNAL_SERVER_ERROR. `where` is the request_rec or server_rec of the log entry.
 */
template <typename Body> int guarded(request_rec *where, const char *hook, Body &&body) noexcept {
    try {
        return std::forward<Body>(body)();
    } catch (const std::exception &problem) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, where, "event=hook.failed hook=%s uri=\"%s\" reason=\"%s\" %s", hook,
                      where->uri, problem.what(), RequestSubject::fields(where));
    } catch (...) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, where, "event=hook.failed hook=%s uri=\"%s\" %s", hook, where->uri,
                      RequestSubject::fields(where));
    }
    return HTTP_INTERNAL_SERVER_ERROR;
}

template <typename Body> int guarded(server_rec *where, const char *hook, Body &&body) noexcept {
    try {
        return std::forward<Body>(body)();
    } catch (const std::exception &problem) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, 0, where, "event=hook.failed hook=%s reason=\"%s\"", hook, problem.what());
    } catch (...) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, 0, where, "event=hook.failed hook=%s", hook);
    }
    return HTTP_INTERNAL_SERVER_ERROR;
}

}  // namespace Passenger
