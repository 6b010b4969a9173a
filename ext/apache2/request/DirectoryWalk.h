#pragma once

#include "apache2/httpd/Httpd.h"

namespace Passenger {

/**
 * A cheaper form of httpd's search for the configuration sections and .htaccess files of a request.
 * It is for URLs without a file, which most requests to an application have. httpd looks at every
 * folder from `/` downwards, with a system call each. If the last existing folder is known
 * beforehand, httpd relies on the folders above it, as for every existing file.
 */
namespace DirectoryWalk {

/**
 * A hook for map_to_storage, right before httpd's own. The result is the same as that of httpd's
 * search.
 *
 * @return the outcome of the search; DECLINED: httpd must search itself
 */
int run(request_rec *r);

}  // namespace DirectoryWalk

}  // namespace Passenger
