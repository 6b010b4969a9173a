#include "apache2/agent/ApplicationUsers.h"

#include <unistd.h>

#include <cstring>

#include <fmt/format.h>

extern "C" {
#include <apr_user.h>
}

namespace Passenger {

std::string applicationUserRefusal(const Settings &settings, apr_pool_t *temporary) {
    if (geteuid() != 0 || !settings.userSwitching.value_or(true) || settings.grants == nullptr) {
        return "";
    }
    for (int i = 0; i < settings.grants->nelts; ++i) {
        const auto &grant = APR_ARRAY_IDX(settings.grants, i, Settings::Grant);
        apr_uid_t user = 0;
        apr_gid_t group = 0;
        // Only a user that is surely unknown: a directory service may not answer at this moment.
        if (std::strcmp(grant.key, "user") == 0 &&
            APR_STATUS_IS_ENOENT(apr_uid_get(&user, &group, grant.value, temporary))) {
            return fmt::format(
                "PassengerUser \"{}\" of {}: there is no such user; make it (adduser --system {}), correct the name, "
                "or "
                "remove the directive for the owner of the startup file",
                grant.value, grant.server->server_hostname != nullptr ? grant.server->server_hostname : "the server",
                grant.value);
        }
    }
    return "";
}

}  // namespace Passenger
