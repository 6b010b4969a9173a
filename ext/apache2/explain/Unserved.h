#pragma once

#include <string>

#include "apache2/explain/MadeRequest.h"
#include "apache2/request/StartupFileCache.h"

/** Why no application serves a URL. */
namespace Passenger::Unserved {

/** For people. @param made a request that no application serves */
std::string reason(const MadeRequest &made, StartupFileCache &files);

/** Whether it is likely a mistake: httpd's user cannot look for the application, or its startup
 *  file has a name that is not looked for. A folder without an application is none, nor is an
 *  answer that httpd's configuration gives. */
bool isMistake(const MadeRequest &made, StartupFileCache &files);

}  // namespace Passenger::Unserved
