#pragma once

#include "apache2/config/Settings.h"
#include "apache2/httpd/Httpd.h"
#include "apache2/request/StartupFileCache.h"

namespace Passenger {

struct AppFinder;

/**
 * Which application a request is for; made by the hooks before it, used by the handler. In the request's pool.
 */
struct Route {
    static constexpr const char *HANDLER = "passenger-handler";

    const char *documentRoot = nullptr;
    /** As AppFinder's. */
    const char *baseUri = "";
    const char *appRoot = nullptr;
    /** "APPROOT (ENVIRONMENT)", as the agent and the log call it. */
    const char *appName = nullptr;
    /** "rack", "node" or "wsgi": what the startup file is. */
    const char *appType = "rack";
    /** Relative to appRoot, or absolute; empty: a start command needs none. */
    const char *startupFile = "config.ru";
    /** Set before the others: the URL has a name that no file can have, and httpd was given the path up to it. */
    bool beyondFiles = false;
    /** decideAhead() has decided. */
    bool ahead = false;
    /** Why the application cannot be served, or null. */
    const char *problem = nullptr;

    /** What the fixups hook found, or null where the request is not ours. */
    static const Route *of(const request_rec *r) noexcept;

    /**
     * For map_to_storage, where PassengerHighPerformance is on: decides at once, with one look at the file system, that the application answers. httpd looks
     * for no `<Directory>` or `<Files>` section and no .htaccess file then. What is a file, or has a cached page, goes the ordinary way.
     */
    static int decideAhead(request_rec *r, StartupFileCache &startupFiles);

    /** For map_to_storage. httpd answers 403 for a name longer than a file's may be, an application may well know it. */
    static int cutLongNames(request_rec *r);

    /**
     * For fixups. Decides whether an application or httpd answers. Real files, cached pages (`/x`: x.html, x/index.html), whatever another module was
     * told to handle, and every request where there is no application stay httpd's.
     * @return an httpd status
     */
    static int decide(request_rec *r, StartupFileCache &startupFiles);

private:
    void take(apr_pool_t *pool, const AppFinder &app, const Settings &settings);
    static Route *mutableOf(const request_rec *r) noexcept;
    static int decideApplication(request_rec *r, StartupFileCache &startupFiles, bool ahead);
    static int decideUnseen(request_rec *r, StartupFileCache &startupFiles);
    static void claim(request_rec *r);
};

}  // namespace Passenger
