#pragma once

#include <vector>

#include "base/FileDescriptor.h"
#include "base/Mutex.h"

namespace Passenger {

/**
 * Lets one thread end waits of other threads on sockets, by a shutdown of the sockets. A cancelled
 * switch stays cancelled: later sockets are shut down at once.
 *
 * Owned by a Spawner. Thread-safe; never blocks.
 */
class CancelSwitch {
public:
    /**
     * While this object exists, cancel() shuts `socket` down. The socket must stay open that long.
     */
    class Watch {
    public:
        Watch(CancelSwitch &owner, const FileDescriptor &socket);
        ~Watch();
        Watch(const Watch &) = delete;
        Watch &operator=(const Watch &) = delete;

    private:
        CancelSwitch &owner_;
        const int socket_;
    };

    void cancel() EXCLUDES(mutex_);
    bool cancelled() const EXCLUDES(mutex_);

private:
    mutable Mutex mutex_{Locks::CANCEL_SWITCH};
    bool cancelled_ GUARDED_BY(mutex_) = false;
    std::vector<int> watched_ GUARDED_BY(mutex_);
};

}  // namespace Passenger
