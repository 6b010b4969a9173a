#pragma once

#include <string>

#include "apache2/config/Settings.h"

namespace Passenger {

/**
 * Why httpd's children could make no files in PassengerDataBufferDir, with the remedy; empty: they
 * can, or no directive names the folder. A full disk is no reason: it may have room later. Only
 * httpd's parent calls this function, when it has read the configuration. Where root starts httpd,
 * a process that becomes httpd's user for good tries it.
 */
std::string bufferFolderRefusal(const Settings &settings);

}  // namespace Passenger
