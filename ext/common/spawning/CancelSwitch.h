#pragma once

#include <vector>

#include "base/FileDescriptor.h"
#include "base/Mutex.h"

namespace Passenger {

/**
 * Ends waits on sockets from another thread, by shutting the sockets down. Once cancelled it stays so: whatever is
 * watched later is shut down at once.
 *
 * Owned by a Spawner. Thread-safe; never blocks.
 */
class CancelSwitch {
public:
    /** For its lifetime, `socket` is shut down by cancel(). The socket must be open that long. */
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
