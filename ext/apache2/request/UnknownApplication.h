#pragma once

#include "apache2/config/Settings.h"
#include "apache2/httpd/Httpd.h"
#include "apache2/request/AppFinder.h"
#include "apache2/request/StartupFileCache.h"

namespace Passenger {

/**
 * An application without a startup file that the module looks for. The folder has another file that
 * applications have, such as package.json, or a package.json that cannot be read. The server
 * answers 404 for its URLs, so the log says why. All texts live as long as the request.
 */
struct UnknownApplication {
    const char *appRoot;
    /** The file by which the folder seems to be an application's. */
    const char *sign;
    /** What was looked for. */
    const char *candidates;
    /** Why the sign, package.json, cannot be read; null: that is not the reason. */
    const char *problem;
    /** What helps. */
    const char *remedy;

    /** Makes the memory in which httpd's children remember what the log has said. Called in httpd's
     *  parent for each configuration. Without the memory (it is logged) no line is written. */
    static void prepare(apr_pool_t *pconf, server_rec *server);

    /** For a client's request for which httpd finds nothing. Null: the folder does not look like an
     *  application's, or has index pages. @param app of the request */
    static const UnknownApplication *at(request_rec *r, const AppFinder &app, const Settings &settings,
                                        StartupFileCache &files);

    /** Writes a line, once for each folder and configuration. */
    void log(const request_rec *r) const noexcept;
    /** The text of the line, for people. */
    const char *text(apr_pool_t *pool) const;
};

}  // namespace Passenger
