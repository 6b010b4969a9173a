#pragma once

#include "apache2/config/Directive.h"
#include "apache2/config/Settings.h"
#include "apache2/httpd/Httpd.h"

namespace Passenger::Directives {

/**
 * Stores the value that a directive has just set, for the agent (Settings::grants). A value of a
 * .htaccess file is none: AllowOverrideList lets any directive of a section stand there. For the
 * thread that reads httpd's configuration.
 * @param settings of the directive's place
 * @param global of the main server
 */
void noteGrant(const cmd_parms *cmd, const Directive &directive, const Settings &settings, Settings &global);

}  // namespace Passenger::Directives
