#pragma once

#include "apache2/httpd/Httpd.h"

/**
 * Whether httpd's children can make files in PassengerDataBufferDir. Only httpd's parent calls
 * these functions, when it has read the configuration. Where root starts httpd, a process that
 * becomes httpd's user for good tries it. A full disk is no problem: it may have room later.
 */
namespace Passenger::BufferFolder {

/** For a start and a test of the configuration: logs the problem and its remedy. A reload has no
 *  problem here, since httpd would end. @return whether httpd must not start */
bool isRefused(server_rec *server);

/** Logs the problem of a configuration that will serve: uploads fail. */
void logProblem(server_rec *server);

}  // namespace Passenger::BufferFolder
