#pragma once

#include "apache2/httpd/Httpd.h"

/** PassengerDumpConfigManifest: what the configuration says, for who looks for a mistake in it. */
namespace Passenger::ConfigManifest {

/** Writes the settings of the main server and of each virtual host as JSON into the file that PassengerDumpConfigManifest names, if it does. A
 *  file that cannot be written is logged. */
void write(const server_rec *server) noexcept;

}  // namespace Passenger::ConfigManifest
