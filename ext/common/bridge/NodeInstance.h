#pragma once

#include <map>
#include <string>

namespace Passenger::Bridge {

/**
 * A Node application that takes requests itself: this process becomes Node, whose loader
 * (lib/passenger/node/start.js) goes on with the control socket. If the loader finds that it needs
 * a bridge, it executes `passenger-agent bridge-again`.
 */
namespace NodeInstance {

using Options = std::map<std::string, std::string>;

/** Whether the options describe such an application, and this installation has the native code. */
bool isWanted(const Options &options, const std::string &program);

/**
 * Becomes Node.
 * @param control descriptor of the control socket
 * @param program this program's path
 * @throws StartFailure if that fails
 */
[[noreturn]] void become(const Options &options, int control, const std::string &program);

/** The options of LOAD, for `bridge-again`. @throws SystemException, ProtocolException */
Options keptOptions();

}  // namespace NodeInstance

}  // namespace Passenger::Bridge
