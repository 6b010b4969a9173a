#pragma once

#include "apache2/httpd/Httpd.h"

/** PassengerDumpConfigManifest: a file of the settings that are in force, to find mistakes in a
 *  configuration. */
namespace Passenger::ConfigManifest {

/** Writes the settings of the main server and of each virtual host as JSON into the file that
 *  PassengerDumpConfigManifest names. Without that directive nothing happens. A file that cannot be
 *  written is logged. */
void write(const server_rec *server) noexcept;

}  // namespace Passenger::ConfigManifest
