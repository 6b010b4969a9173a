#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>

#include "base/FileDescriptor.h"
#include "loop/DescriptorWatcher.h"
#include "loop/EventLoop.h"
#include "pool/Pool.h"

namespace Passenger {

/**
 * The processes that send requests (httpd's children): each has a slot, an in-flight table, and a pidfd that tells of its end. Then what it had in
 * flight is withdrawn, and its channels are forgotten everywhere.
 *
 * Owned by PoolServer. Used on the event loop only, but destroyed outside it.
 */
class Children {
public:
    Children(EventLoop &loop, Pool &pool) : loop_(loop), pool_(pool) {}
    ~Children();

    /** The slot of this process, which introduced itself with this in-flight table. A process that is known already keeps its first in-flight table.
     *  @param pid as the kernel says. @throws SystemException (it is gone), ProtocolException (no in-flight table) */
    std::uint32_t introduce(pid_t pid, FileDescriptor inFlightTable) REQUIRES(EventLoop::role);
    std::size_t count() const REQUIRES(EventLoop::role) {
        return children_.size();
    }

private:
    struct Child {
        std::uint32_t slot;
        FileDescriptor pidFd;
        std::unique_ptr<DescriptorWatcher> watcher;
    };
    void ended(pid_t pid) REQUIRES(EventLoop::role);

    EventLoop &loop_;
    Pool &pool_;
    std::map<pid_t, Child> children_ GUARDED_BY(EventLoop::role);
};

}  // namespace Passenger
