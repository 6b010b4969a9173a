#pragma once

#include "apache2/config/Settings.h"
#include "apache2/httpd/Httpd.h"
#include "apache2/request/StartupFileCache.h"

namespace Passenger {

struct AppFinder;
struct UnknownApplication;

/**
 * The application that serves a request. The hooks before the handler make it in the request's
 * pool; the handler uses it. With PassengerEnabled off there is none.
 */
struct Route {
    static constexpr const char *HANDLER = "passenger-handler";

    const char *documentRoot = nullptr;
    /** See AppFinder. */
    const char *baseUri = "";
    const char *appRoot = nullptr;
    /** "APPROOT (ENVIRONMENT)", the application's name in the agent and the log. */
    const char *appName = nullptr;
    /** "rack", "node", "wsgi" or "asgi": the kind of the startup file. */
    const char *appType = "rack";
    /** Relative to appRoot, or absolute. Empty: a start command needs none. */
    const char *startupFile = "config.ru";
    /** Set before the others: the path has a name that is too long for a file. */
    bool beyondFiles = false;
    /** decideAhead() has decided. */
    bool ahead = false;
    /** What the URL names, before the application took the request. */
    apr_filetype_e fileType = APR_NOFILE;
    /** The reason why the application cannot be served, or null. */
    const char *problem = nullptr;
    /** The application has no startup file that the module looks for, and the client is told so.
     *  Null: the application is known. */
    const UnknownApplication *unknown = nullptr;

    /** The result of the fixups hook; null: the request is not for an application. */
    static const Route *of(const request_rec *r) noexcept;

    /**
     * A hook for map_to_storage with PassengerHighPerformance: decides with one look at the file
     * system that the application answers. httpd then looks for no `<Directory>` or `<Files>`
     * section and no .htaccess file. Files and cached pages take the ordinary way.
     */
    static int decideAhead(request_rec *r, StartupFileCache &startupFiles);

    /** A hook for dirwalk_stat, right before httpd's own. httpd answers 403 for a name that is too
     *  long for a file, but an application may accept the name. So httpd is told that there is no
     *  such file, and decide() refuses what no application takes. */
    static apr_status_t look(apr_finfo_t *file, request_rec *r, apr_int32_t wanted) noexcept;

    /**
     * A hook for fixups. Decides whether an application or httpd answers. httpd answers for real
     * files, for cached pages (`/x`: x.html, x/index.html), for requests with another module's
     * handler, and where no application is.
     *
     * @return an httpd status
     */
    static int decide(request_rec *r, StartupFileCache &startupFiles);

    /** A hook for fixups, after mod_dir: a request that nothing answers may be for an application
     *  whose startup file has another name. The log and the client get to know it. */
    static int decideUnknown(request_rec *r, StartupFileCache &startupFiles);

    /** The name of the application that URLs like this one are for, whatever answers this request.
     *  Null: there is none. */
    static const char *applicationAt(request_rec *r, StartupFileCache &startupFiles);

private:
    /** Makes the application answer. */
    static Route &take(request_rec *r, const AppFinder &app, const Settings &settings);
    static Route *mutableOf(const request_rec *r) noexcept;
    static int decideApplication(request_rec *r, StartupFileCache &startupFiles, bool ahead);
    static int decideUnseen(request_rec *r, StartupFileCache &startupFiles);
    static void claim(request_rec *r);
};

}  // namespace Passenger
