#pragma once

#include <sys/types.h>

#include <string>
#include <unordered_map>
#include <vector>

#include "base/FileDescriptor.h"
#include "base/Mutex.h"

namespace Passenger {

/**
 * The clients' sockets that this httpd child has sent to an application and that no instance has
 * received yet. The kernel counts them for httpd's user, together with the descriptors that go to
 * all other applications, and refuses further ones above a limit (unix(7), ETOOMANYREFS).
 *
 * Owned by Child. Thread-safe.
 */
class ClientsInFlight {
public:
    /** For each instance: one that computes does not hold up the others. */
    static constexpr std::size_t MOST = 8;
    /** For each application. */
    static constexpr std::size_t MOST_OF_APP = 4 * MOST;

    /** NO_ROOM: the instance has not received MOST sockets, or the application MOST_OF_APP, or the
     *  kernel has too many descriptors of httpd's user on their way. */
    enum class Sent { YES, NO_ROOM, FAILED };
    /** Sends the client's socket with TransferAnswer::CLIENT. Never waits. @param stream its other
     *  end is the instance's; taken if the socket was sent */
    Sent send(const std::string &app, FileDescriptor &stream, int client) EXCLUDES(mutex_);

private:
    struct Client {
        pid_t instance;
        FileDescriptor stream;
    };

    void dropReceived() REQUIRES(mutex_);
    bool hasRoom(const std::string &app, pid_t instance) const REQUIRES(mutex_);

    Mutex mutex_{Locks::CLIENTS_IN_FLIGHT};
    /** By application. The kernel tells whether the other side has received everything. */
    std::unordered_map<std::string, std::vector<Client>> sent_ GUARDED_BY(mutex_);
};

}  // namespace Passenger
