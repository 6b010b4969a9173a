#pragma once

#include <string>

#include "apache2/httpd/Httpd.h"
#include "apache2/response/LineLimits.h"
#include "exchange/ApplicationPool.h"
#include "exchange/Reply.h"

namespace Passenger {

/**
 * The page for a request that its application does not take. The page is one of three: a page with
 * all details of the failure (PassengerFriendlyErrorPages), the administrator's own
 * (PassengerCustomErrorPage), or a plain one with the report's id.
 */
struct Refusal {
    std::string page;
    const char *contentType = nullptr;
    /** The page is mod_passenger's own, and refers to no other file. */
    bool selfContained = true;

    /** @param pool gives the report, if the page shows it
     *  @param lines limits those about a page that is not as the configuration has it */
    static Refusal of(request_rec *r, const Reply &reply, int status, ApplicationPool *pool, const char *app,
                      LineLimits &lines);
    void setHeaders(request_rec *r) const;
};

}  // namespace Passenger
