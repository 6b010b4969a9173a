#pragma once

#include "apache2/httpd/Httpd.h"

/**
 * The user of a request, as httpd has authenticated it. Modules such as mod_auth_basic set the name
 * in the request_rec before they look at the password. If the password is wrong, the request for
 * the ErrorDocument inherits this name without any authentication of its own.
 */
namespace Passenger::VerifiedUser {

/** A hook for fixups, before any other module. httpd runs this phase only for a request that it
 *  lets in. */
void note(request_rec *r);

/** Called while the request is handled. @return null: httpd has authenticated no user for it */
const char *of(const request_rec *r);

}  // namespace Passenger::VerifiedUser
