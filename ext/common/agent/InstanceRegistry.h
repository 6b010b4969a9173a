#pragma once

#include <functional>
#include <string>

#include "agent/EndableThread.h"
#include "base/FileDescriptor.h"

namespace Passenger {

/**
 * The agent's folder in PassengerInstanceRegistryDir, `passenger.XXXXXX`, by which commands find it (doc/PROTOCOLS.md, section 5): `pid`,
 * `properties.json`, and `control`, a socket that tells root and the agent's own user what the agent knows of its instances. Only its owner may
 * enter.
 *
 * The lock on `pid` lives with the pool process: a folder whose lock can be had is a dead agent's, and removed by the next one. Owned by the
 * engine; its methods are for one thread, and block on the file system.
 */
class InstanceRegistry {
public:
    /** @param status answers a command, in a thread of the registry's */
    explicit InstanceRegistry(std::function<std::string()> status);
    /** Removes the folder. */
    ~InstanceRegistry();
    InstanceRegistry(const InstanceRegistry &) = delete;
    InstanceRegistry &operator=(const InstanceRegistry &) = delete;

    /** Where it is from now on; what is so already stays. @param parent empty: nowhere  @param backlog of the socket
     *  @throws SystemException, IOException; then it is nowhere */
    void use(const std::string &parent, unsigned backlog);

private:
    void make(const std::string &parent, unsigned backlog);
    void leave() noexcept;
    void listen(unsigned backlog);
    void write(const char *name, const std::string &text) const;
    void run(const FileDescriptor &ending);

    const std::function<std::string()> status_;
    std::string parent_;
    std::string folder_;
    FileDescriptor lock_;
    FileDescriptor socket_;
    EndableThread thread_;
};

}  // namespace Passenger
