#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "base/FileDescriptor.h"
#include "base/Mutex.h"

namespace Passenger {

/**
 * A datagram socket on which a log's daemon reads. It is connected at the first message, and again
 * after each message that does not arrive: so a daemon may start later, or anew. Thread-safe.
 */
class LogSocket {
public:
    /** @param path of the daemon's socket */
    explicit LogSocket(std::string path) : path_(std::move(path)) {}

    /** Never waits. @return 0, or errno; EAGAIN: the daemon has not read enough */
    int send(std::string_view message) EXCLUDES(mutex_);
    /** Waits until the daemon has read something, at most so long. */
    void waitForRoom(std::chrono::milliseconds most) EXCLUDES(mutex_);
    const std::string &path() const noexcept { return path_; }

private:
    std::shared_ptr<FileDescriptor> connected(int &error) EXCLUDES(mutex_);
    void forget(const std::shared_ptr<FileDescriptor> &socket) EXCLUDES(mutex_);

    const std::string path_;
    Mutex mutex_{Locks::LOG};
    /** Null: not connected. */
    std::shared_ptr<FileDescriptor> socket_ GUARDED_BY(mutex_);
};

}  // namespace Passenger
