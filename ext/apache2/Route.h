#pragma once

#include "Httpd.h"
#include "Settings.h"
#include "StartupFileCache.h"

namespace Passenger {

/**
 * Which application a request is for; made by the fixups hook, used by the handler. In the request's pool.
 */
struct Route {
    static constexpr const char *HANDLER = "passenger-handler";

    const char *documentRoot = nullptr;
    const char *appRoot = nullptr;
    /** Why the application cannot be served, or null. */
    const char *problem = nullptr;

    /** What the fixups hook found, or null where the request is not ours. */
    static const Route *of(const request_rec *r) noexcept;

    /**
     * Decides whether an application or httpd answers. Real files, cached pages (`/x`: x.html, x/index.html), whatever another module was
     * told to handle, and every request where there is no application stay httpd's.
     * @return an httpd status
     */
    static int decide(request_rec *r, StartupFileCache &startupFiles);
};

}  // namespace Passenger
