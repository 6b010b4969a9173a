#include "apache2/agent/ConfigurationCheck.h"

#include <unistd.h>

#include <cerrno>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include <fmt/format.h>

extern "C" {
#include <apr_user.h>
#include <unixd.h>
}

#include "apache2/agent/AgentIdentity.h"
#include "apache2/agent/BufferFolder.h"
#include "apache2/config/Settings.h"

namespace Passenger {

namespace {

/** @return APR_ENOENT only for a user that is surely unknown: a directory service may not answer at
 *  this moment */
apr_status_t findUser(const char *name, apr_uid_t &user, apr_pool_t *pool) {
    apr_gid_t group = 0;
    return apr_uid_get(&user, &group, name, pool);
}

std::optional<apr_uid_t> userNamed(const char *name, apr_pool_t *pool) {
    apr_uid_t user = 0;
    return findUser(name, user, pool) == APR_SUCCESS ? std::optional(user) : std::nullopt;
}

/** Warns of each PassengerUser that does not exist. httpd starts all the same: one account that was
 *  removed must not take the other sites down. A .htaccess file cannot have the directive. Nothing
 *  is logged where applications have no users of their own. */
void warnOfUnknownUsers(const Settings &settings, apr_pool_t *temporary) {
    if (geteuid() != 0 || !settings.userSwitching) {
        return;
    }
    std::set<std::string_view> seen;
    for (const Settings::Grant &grant : settings.allGrants()) {
        apr_uid_t user = 0;
        if (std::string_view(grant.key) == "user" && seen.insert(grant.value).second &&
            APR_STATUS_IS_ENOENT(findUser(grant.value, user, temporary))) {
            ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_WARNING, 0, grant.server,
                         "PassengerUser \"%s\": there is no such user, so PassengerDefaultUser runs the applications: "
                         "make the user, correct the name, or remove the directive for the owner of the startup file",
                         grant.value);
        }
    }
}

/** Why PassengerAgentUser cannot name this user; empty: it can, or root does not start httpd.
 *  Processes of one user can signal each other: so httpd's children, or applications, could end the
 *  agent. */
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

}  // namespace

int ConfigurationCheck::run(apr_pool_t *temporary, server_rec *server) {
    const Settings &settings = Settings::of(server);
    if (settings.foreignRoot != nullptr) {
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_WARNING, 0, server,
                     "PassengerRoot \"%s\" belongs to Phusion Passenger, so mod_passenger uses its own files in %s: "
                     "remove this line",
                     settings.foreignRoot, settings.root.value());
    }
    std::string command = agentCommand(settings);
    std::string script = spawnServerCommand(settings);
    const char *missing = access(command.c_str(), X_OK) != 0  ? command.c_str()
                          : access(script.c_str(), R_OK) != 0 ? script.c_str()
                                                              : nullptr;
    if (missing != nullptr) {
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_CRIT, errno, server,
                     "PassengerRoot \"%s\" is not the folder of mod_passenger's files: %s cannot be used",
                     settings.root.value(), missing);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    warnOfUnknownUsers(settings, temporary);
    if (const std::string refusal = agentUserRefusal(settings, temporary); !refusal.empty()) {
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_CRIT, 0, server, "%s", refusal.c_str());
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return BufferFolder::isRefused(server) ? HTTP_INTERNAL_SERVER_ERROR : OK;
}

}  // namespace Passenger
