#include "apache2/agent/ApplicationUsers.h"

#include <unistd.h>

#include <set>
#include <string_view>

extern "C" {
#include <apr_user.h>
}

namespace Passenger {

void warnOfUnknownUsers(const server_rec *main, apr_pool_t *temporary) {
    const Settings &settings = Settings::of(main);
    if (geteuid() != 0 || !settings.userSwitching || settings.grants == nullptr) {
        return;
    }
    std::set<std::string_view> seen;
    for (int i = 0; i < settings.grants->nelts; ++i) {
        const auto &grant = APR_ARRAY_IDX(settings.grants, i, Settings::Grant);
        apr_uid_t user = 0;
        apr_gid_t group = 0;
        // Only a user that is surely unknown: a directory service may not answer at this moment.
        if (std::string_view(grant.key) == "user" && seen.insert(grant.value).second &&
            APR_STATUS_IS_ENOENT(apr_uid_get(&user, &group, grant.value, temporary))) {
            ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_WARNING, 0, grant.server,
                         "PassengerUser \"%s\": there is no such user, so PassengerDefaultUser runs the applications: "
                         "make the user, correct the name, or remove the directive for the owner of the startup file",
                         grant.value);
        }
    }
}

}  // namespace Passenger
