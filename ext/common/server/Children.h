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
 * The processes that send requests (httpd's children). Each has a slot, an in-flight table and a
 * pidfd. When a child ends, its requests in flight are withdrawn, and its channels are removed
 * everywhere.
 *
 * Owned by PoolServer. Used on the event loop only, but destroyed outside it.
 */
class Children {
public:
    Children(EventLoop &loop, Pool &pool) : loop_(loop), pool_(pool) {}
    ~Children();

    /**
     * The slot of the process that sent HELLO with this in-flight table. A known process keeps its
     * first in-flight table.
     * @param pid as reported by the kernel
     * @throws SystemException (the process has ended), ProtocolException (invalid in-flight table)
     */
    std::uint32_t introduce(pid_t pid, FileDescriptor inFlightTable) REQUIRES(EventLoop::role);
    /** A connection of this process begins. @throws ChildLimitReached */
    void opened(pid_t pid) REQUIRES(EventLoop::role);
    /** One has ended. @param slot the child's, which may have ended before */
    void closed(pid_t pid, std::uint32_t slot) REQUIRES(EventLoop::role);
    /** httpd has another configuration. Children that are introduced from now on have it. */
    void configurationChanged() REQUIRES(EventLoop::role) { configuration_++; }
    /** The number of the configuration that httpd had when the process was introduced, at least 1.
     *  0: the process has ended. */
    std::uint64_t configurationOf(pid_t pid) const REQUIRES(EventLoop::role);
    /** Whether the process that got this slot has not ended. */
    bool has(pid_t pid, std::uint32_t slot) const REQUIRES(EventLoop::role);

private:
    struct Child {
        std::uint32_t slot;
        FileDescriptor pidFd;
        std::unique_ptr<DescriptorWatcher> watcher;
        std::uint64_t configuration = 0;
        unsigned connections = 0;
    };
    void ended(pid_t pid) REQUIRES(EventLoop::role);

    EventLoop &loop_;
    Pool &pool_;
    std::map<pid_t, Child> children_ GUARDED_BY(EventLoop::role);
    std::uint64_t configuration_ GUARDED_BY(EventLoop::role) = 1;
};

}  // namespace Passenger
