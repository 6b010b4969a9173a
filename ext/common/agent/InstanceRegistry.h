#pragma once

#include <functional>
#include <string>

#include "agent/EndableThread.h"
#include "base/FileDescriptor.h"
#include "rights/RegistryFolder.h"

namespace Passenger {

/**
 * Lets commands find the agent (doc/PROTOCOLS.md, section 5): has a RegistryFolder, and tells root
 * and the agent's own user about the instances on its socket.
 *
 * Owned by the engine. The methods are for one thread, and block on the file system.
 */
class InstanceRegistry {
public:
    /** @param status makes the answer to a command, in the registry's thread */
    explicit InstanceRegistry(std::function<std::string()> status);
    /** Removes the folder. */
    ~InstanceRegistry();
    InstanceRegistry(const InstanceRegistry &) = delete;
    InstanceRegistry &operator=(const InstanceRegistry &) = delete;

    /**
     * Sets the place of the folder. If nothing changes, the folder stays. @param parent empty: no
     * folder @param backlog the socket's
     *
     * @throws SystemException, IOException; then there is no folder
     */
    void use(const std::string &parent, unsigned backlog);

private:
    void leave() noexcept;
    void run(const FileDescriptor &ending);

    const std::function<std::string()> status_;
    std::string parent_;
    RegistryFolder folder_;
    EndableThread thread_;
};

}  // namespace Passenger
