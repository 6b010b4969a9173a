#pragma once

#include <functional>
#include <string>

#include "agent/EndableThread.h"
#include "base/FileDescriptor.h"

namespace Passenger {

/**
 * The agent's folder in PassengerInstanceRegistryDir, `passenger.XXXXXX`, in which commands find it
 * (doc/PROTOCOLS.md, section 5). The folder has `pid`, `properties.json` and `control`, a socket
 * that tells root and the agent's own user about the instances. Only the folder's owner may enter
 * it.
 *
 * The pool process holds a lock on `pid`. If the lock is free, the agent is dead, and the next
 * agent removes the folder. Owned by the engine. The methods are for one thread, and block on the
 * file system.
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
