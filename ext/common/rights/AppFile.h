#pragma once

#include <string>

#include "base/FileDescriptor.h"
#include "rights/UserResolver.h"

namespace Passenger::AppFile {

enum class NamedBy {
    /** httpd's configuration, as read by its parent (AgentSettings::appFiles). */
    CONFIGURATION,
    /** Only an httpd child. The child runs as httpd's user, and an attacker may control it. */
    CHILD
};

/**
 * Open files that are named for an application. The application's user may own the file's folder
 * and put anything there.
 *
 * As root, the agent uses root's rights only for a file that the configuration names, and only if
 * no other user can change its path. A link as the last component is then not followed. All other
 * files are opened with the rights of the application's user and group alone. So neither a link nor
 * a name gives access to other files.
 *
 * Only regular files are accepted; for appending also character devices, such as /dev/null. Files
 * in /proc and /sys are refused. Both functions block on the file system, and meanwhile change the
 * calling thread's rights. Thread-safe.
 * @throws SystemException, IOException; they name path, user and remedy
 */

/** A missing file is created with mode 0640 and belongs to the application's user and group. */
FileDescriptor openForAppending(const std::string &path, const RunAs &owner, NamedBy namedBy);
FileDescriptor openForReading(const std::string &path, const RunAs &owner, NamedBy namedBy);

}  // namespace Passenger::AppFile
