#pragma once

#include <string>

#include "apache2/config/Settings.h"

namespace Passenger {

/** The user and group as whom an application runs where root starts httpd. A plain value. */
struct AppUser {
    /** Empty: there is none, for the reason in `note`. */
    std::string user;
    std::string group;
    /** Why it is another user than the configuration or the startup file says; may be empty. */
    std::string note;
    /** What changes that; empty: nothing is wrong. */
    std::string remedy;

    /** By the rules of the agent's UserResolver, without its check of what httpd's configuration
     *  grants. Asks the system's database of users. */
    static AppUser of(const char *startupFile, const Settings &settings, const Settings &global);
};

}  // namespace Passenger
