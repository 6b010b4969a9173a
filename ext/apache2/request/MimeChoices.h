#pragma once

#include "apache2/httpd/Httpd.h"

/**
 * What mod_mime chooses by the extension of the URL's last name: filters (AddOutputFilter,
 * AddInputFilter) and a handler (AddHandler). They are for files.
 *
 * The client chooses the URL of an application's answer, and must not choose the answer's filters:
 * mod_include would run what the answer repeats of the request. mod_mime itself adds no filter to a
 * proxied request for the same reason. A handler by extension is no sign that a module was told to
 * answer a URL without a file, but a handler that another module has chosen is.
 */
namespace Passenger::MimeChoices {

/** A hook for type_checker, right before mod_mime: notes what the request has already, as the
 *  filter of mod_cache. */
void noteEarlier(request_rec *r);

/** A hook for fixups, before any other module: notes what mod_mime has chosen. */
void note(request_rec *r);

/** Removes the noted filters of mod_mime. Those that other modules add later stay. */
void removeFilters(request_rec *r);

/** @return whether another module than mod_mime and this one has chosen the request's handler */
bool anotherChoseHandler(const request_rec *r) noexcept;

}  // namespace Passenger::MimeChoices
