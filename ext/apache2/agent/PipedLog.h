#pragma once

#include <string>

#include "apache2/httpd/Httpd.h"

namespace Passenger {

/** PassengerLogFile |COMMAND: a program that httpd's parent starts, and starts again when it ends,
 *  as those of CustomLog. Runs in httpd's parent only. */
namespace PipedLog {

/**
 * Starts the program if `logFile` is a command: `|COMMAND` or `||COMMAND`, or `|$COMMAND` for a
 * shell.
 * @param plog ends the program: a reload starts it anew
 * @return the end of its pipe, which belongs to `plog`; -1: `logFile` is no command, or the program
 *     cannot be started, which is logged
 */
int open(const std::string &logFile, apr_pool_t *plog, server_rec *server);

}  // namespace PipedLog

}  // namespace Passenger
