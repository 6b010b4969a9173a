#pragma once

#include "apache2/httpd/Httpd.h"

/**
 * The filters that mod_mime adds by the extension of the URL's last name (AddOutputFilter,
 * AddInputFilter). They are for files. The client chooses the URL of an application's answer, and
 * must not choose the answer's filters: mod_include would run what the answer repeats of the
 * request. mod_mime itself adds no filter to a proxied request for the same reason.
 */
namespace Passenger::ExtensionFilters {

/** A hook for type_checker, before mod_mime: notes the filters that the request has already, as
 *  that of mod_cache. */
void noteEarlier(request_rec *r);

/** A hook for fixups, before any other module: notes the filters that mod_mime has added. */
void note(request_rec *r);

/** Removes the noted filters of mod_mime. Those that other modules add later stay. */
void remove(request_rec *r);

}  // namespace Passenger::ExtensionFilters
