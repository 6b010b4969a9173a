#pragma once

#include "apache2/httpd/Httpd.h"

namespace Passenger {

/**
 * httpd's search for the sections of its configuration and the .htaccess files that hold for a request, made cheap for most of what an
 * application is asked: URLs of which there is no file. For those httpd looks at every folder from `/` downwards, a system call each. Where the
 * last folder that exists is known beforehand, it relies on the folders above it, as it does for every file that exists.
 */
namespace DirectoryWalk {

/**
 * For map_to_storage, right before httpd's own. Everything that is found is as httpd would find it.
 * @return DECLINED where httpd is to search by itself; otherwise the outcome of its search
 */
int run(request_rec *r);

}  // namespace DirectoryWalk

}  // namespace Passenger
