#pragma once

#include "apache2/config/Settings.h"
#include "apache2/httpd/Httpd.h"

namespace Passenger::Directives {

/** All directives and their aliases, for httpd's module record. The last entry is empty. */
const command_rec *commands() noexcept;

/** Overwrites in `settings` each value that `inner` has. Lists are joined, in memory of `pool`. */
void merge(apr_pool_t *pool, Settings &settings, const Settings &inner) noexcept;

/** Called before a configuration is read: no notice of it has been logged yet. */
void forgetNotices() noexcept;
/** Logs each directive of the configuration that is obsolete, has no effect or is misplaced. Each
 *  is logged once. */
void logNotices(const server_rec *server) noexcept;

}  // namespace Passenger::Directives
