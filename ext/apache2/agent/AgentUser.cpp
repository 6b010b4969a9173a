#include "apache2/agent/AgentUser.h"

#include <unistd.h>

#include <optional>

#include <fmt/format.h>

extern "C" {
#include <apr_user.h>
#include <unixd.h>
}

namespace Passenger {

namespace {

std::optional<apr_uid_t> userNamed(const char *name, apr_pool_t *pool) {
    apr_uid_t user = 0;
    apr_gid_t group = 0;
    return apr_uid_get(&user, &group, name, pool) == APR_SUCCESS ? std::optional(user) : std::nullopt;
}

}  // namespace

std::string agentUserRefusal(const Settings &settings, apr_pool_t *temporary) {
    if (settings.agentUser == nullptr || geteuid() != 0) {
        return "";
    }
    const auto agent = userNamed(settings.agentUser, temporary);
    if (!agent) {
        return fmt::format(
            "PassengerAgentUser \"{}\": there is no such user; make it (adduser --system), or remove the directive for "
            "a number that nobody has",
            settings.agentUser.value());
    }
    const char *other = nullptr;
    if (agent == ap_unixd_config.user_id) {
        other = "httpd's user (User)";
    } else if (agent == userNamed(settings.defaultUser, temporary)) {
        other = "the user of applications that have no other (PassengerDefaultUser)";
    }
    return other == nullptr
               ? ""
               : fmt::format(
                     "PassengerAgentUser \"{}\" is {}, whose processes could end the agent: name a user that "
                     "nothing else runs as, or remove the directive for a number that nobody has",
                     settings.agentUser.value(), other);
}

}  // namespace Passenger
