#pragma once

#include "apache2/config/Settings.h"
#include "apache2/httpd/Httpd.h"
#include "apache2/request/StartupFileCache.h"

namespace Passenger {

/**
 * Finds the folder and the kind of the application that a request's URL belongs to, by its document root, PassengerBaseURI and PassengerAppRoot.
 * All texts live as long as the request.
 */
struct AppFinder {
    const char *documentRoot = nullptr;
    /** What the URL begins with when the application is not at the root; without a slash at its end. */
    const char *baseUri = "";
    /** Null: there is none. */
    const char *appRoot = nullptr;
    /** "rack", "node" or "wsgi": what the startup file is. */
    const char *type = "rack";
    /** Relative to appRoot, or absolute; empty: a start command needs none. */
    const char *startupFile = "config.ru";
    /** Of a look at the startup file, or at the folder where none is needed; 0: it is there. */
    int error = 0;

    AppFinder(request_rec *r, const Settings &settings, StartupFileCache &files);

    /** What was looked for. */
    const char *path(apr_pool_t *pool) const;

private:
    void findFolder(request_rec *r, const Settings &settings, StartupFileCache &files);
    void findKind(apr_pool_t *pool, const Settings &settings, StartupFileCache &files);
};

}  // namespace Passenger
