#pragma once

#include "apache2/config/Settings.h"
#include "apache2/httpd/Httpd.h"
#include "apache2/request/StartupFileCache.h"

namespace Passenger {

/**
 * Finds the folder and the kind of the application that a request's URL belongs to. The document
 * root, PassengerBaseURI, PassengerAppRoot and PassengerResolveSymlinksInDocumentRoot decide about
 * the folder. The files in it, PassengerAppType and PassengerStartupFile decide about the kind. All
 * texts live as long as the request.
 */
struct AppFinder {
    const char *documentRoot = nullptr;
    /** The beginning of the URL if the application is not at the root, without a slash at its
     *  end. */
    const char *baseUri = "";
    /** Null: there is no application. */
    const char *appRoot = nullptr;
    /** The folder of the URL, of which appRoot is the parent; empty: the folder was set. */
    const char *publicFolder = "";
    /** The folder of the URL has an index page, so package.json and manage.py count for nothing. */
    bool hasPages = false;
    /** "rack", "node", "wsgi" or "asgi": the kind of the startup file. */
    const char *type = "rack";
    /** Relative to appRoot, or absolute. Empty: none is needed, as for a start command. */
    const char *startupFile = "config.ru";
    /** The errno of the look at the startup file, or at the folder if no startup file is needed. 0:
     *  it exists. */
    int error = 0;

    AppFinder(request_rec *r, const Settings &settings, StartupFileCache &files);

    /** The names of the startup files that are looked for, for people. */
    static const char *candidates(apr_pool_t *pool, const Settings &settings);
    /** The path that `error` is about. */
    const char *path(apr_pool_t *pool) const;

private:
    void findFolder(request_rec *r, const Settings &settings, StartupFileCache &files);
    void findPackage(apr_pool_t *pool, const Settings &settings, StartupFileCache &files, bool again);
    const char *typeOfStartupFile(apr_pool_t *pool, StartupFileCache &files, bool again) const;
    void findKind(apr_pool_t *pool, const Settings &settings, StartupFileCache &files, bool again);
};

}  // namespace Passenger
