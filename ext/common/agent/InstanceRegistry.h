#pragma once

#include <string>

#include "agent/ControlService.h"
#include "rights/RegistryFolder.h"

namespace Passenger {

/**
 * Lets commands find the agent (doc/PROTOCOLS.md, section 5): has a RegistryFolder, in which there
 * is the socket of the ControlService.
 *
 * Owned by the engine. The methods are for one thread, and block on the file system.
 */
class InstanceRegistry {
public:
    /** @param service outlives this object */
    explicit InstanceRegistry(ControlService &service) : service_(service) {}
    /** Removes the folder. */
    ~InstanceRegistry();
    InstanceRegistry(const InstanceRegistry &) = delete;
    InstanceRegistry &operator=(const InstanceRegistry &) = delete;

    /**
     * Sets the place of the folder (PassengerInstanceRegistryDir) and the backlog of its socket
     * (PassengerSocketBacklog). If nothing changes and all files are there, the folder stays.
     * @param parent empty: no folder @param backlog the socket's
     *
     * @throws SystemException, IOException; then there is no folder
     */
    void use(const std::string &parent, unsigned backlog);

private:
    void leave() noexcept;

    ControlService &service_;
    std::string parent_;
    RegistryFolder folder_;
};

}  // namespace Passenger
