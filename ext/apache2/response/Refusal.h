#pragma once

#include <string>

#include "apache2/httpd/Httpd.h"
#include "exchange/ApplicationPool.h"
#include "exchange/Session.h"

namespace Passenger {

/**
 * The page that stands in for an application that takes no request: with everything about the failure (PassengerFriendlyErrorPages), or
 * the administrator's own (PassengerCustomErrorPage), or a plain one with the report's id.
 */
struct Refusal {
    std::string page;
    const char *contentType = nullptr;
    /** It is ours, and needs nothing that lies elsewhere. */
    bool selfContained = true;

    /** @param pool is asked for the report, where the page will show it */
    static Refusal of(request_rec *r, const Reply &reply, int status, ApplicationPool *pool, const char *app);
    /** What goes with the page. */
    void setHeaders(request_rec *r) const;
};

}  // namespace Passenger
