#pragma once

#include "apache2/config/Settings.h"
#include "apache2/httpd/Httpd.h"

namespace Passenger::Directives {

/** All directives and their aliases, for httpd's module record; ends with an empty one. */
const command_rec *commands() noexcept;

/** Puts what `inner` says over what `settings` says. Lists are put together in `pool`. */
void merge(apr_pool_t *pool, Settings &settings, const Settings &inner) noexcept;

/** Before a configuration is read: nobody was told anything about it. */
void forgetNotices() noexcept;
/** Logs, once each, which directives the configuration has that are obsolete, do nothing or stand where they should not. */
void logNotices(const server_rec *server) noexcept;

}  // namespace Passenger::Directives
