#pragma once

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
    /** For each application. */
    static constexpr std::size_t MOST = 8;

    /** NO_ROOM: the application has not received MOST sockets, or the kernel has too many
     *  descriptors of httpd's user on their way. */
    enum class Sent { YES, NO_ROOM, FAILED };
    /** Sends the client's socket with TransferAnswer::CLIENT. Never waits. @param stream its other
     *  end is the instance's; taken if the socket was sent */
    Sent send(const std::string &app, FileDescriptor &stream, int client) EXCLUDES(mutex_);

private:
    bool roomOf(const std::string &app) REQUIRES(mutex_);

    Mutex mutex_{Locks::CLIENTS_IN_FLIGHT};
    /** Streams by application. The kernel tells whether the other side has received everything. */
    std::unordered_map<std::string, std::vector<FileDescriptor>> sent_ GUARDED_BY(mutex_);
};

}  // namespace Passenger
