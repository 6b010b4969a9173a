#pragma once

#include "apache2/httpd/Httpd.h"

/** What log lines call a request of an application, from the notes that RequestNotes makes. */
namespace Passenger::RequestSubject {

inline constexpr const char *APP = "PASSENGER_APP";
inline constexpr const char *ID = "PASSENGER_REQUEST_ID";

/** The fields that each log line about the request has: `app="NAME" request="ID"`. A field that is
 *  not known is left out. */
inline const char *fields(const request_rec *r) {
    const char *app = apr_table_get(r->notes, APP);
    const char *id = apr_table_get(r->notes, ID);
    if (app == nullptr) {
        return "";
    }
    return id == nullptr ? apr_pstrcat(r->pool, "app=\"", app, "\"", nullptr)
                         : apr_pstrcat(r->pool, "app=\"", app, "\" request=\"", id, "\"", nullptr);
}

}  // namespace Passenger::RequestSubject
