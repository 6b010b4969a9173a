#pragma once

#include <string>

#include "base/FileDescriptor.h"
#include "spawning/UserResolver.h"

namespace Passenger::AppFile {

/** Who says that a file is an application's. */
enum class NamedBy {
    /** httpd's configuration, as its parent has read it (AgentSettings::appFiles). */
    CONFIGURATION,
    /** An httpd child alone. It runs as httpd's user, and somebody may have taken it over. */
    CHILD
};

/**
 * Opens files that are named for an application, whose user may own the folder that they are in, and so put there whatever it likes. As root:
 * where only root could have changed anything on the way there, one that the configuration names is opened with root's rights, links in its
 * place not followed; all others with the rights of that user and its group alone, so that nothing is gained by a link, or by a name.
 *
 * What is not a file is refused (for appending a device, such as /dev/null, is taken), and so is what the kernel shows in /proc and /sys. Both
 * block on the file system, and change the calling thread's rights meanwhile. Thread-safe. @throws SystemException, IOException; they name path,
 * user and remedy
 */

/** Made if it is missing: for its owner to write and its group to read, and the application's. */
FileDescriptor openForAppending(const std::string &path, const RunAs &owner, NamedBy namedBy);
FileDescriptor openForReading(const std::string &path, const RunAs &owner, NamedBy namedBy);

}  // namespace Passenger::AppFile
