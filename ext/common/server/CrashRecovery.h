#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/FileDescriptor.h"
#include "loop/DescriptorWatcher.h"
#include "loop/EventLoop.h"
#include "pool/DescriptorStore.h"
#include "shm/SharedMemory.h"
#include "spawning/ProcessOutput.h"

namespace Passenger {

/**
 * Handles the descriptors that a crashed pool process has stored with the watchdog. The old queues
 * are closed, so that their instances finish their requests and end. Until then the instances'
 * output is forwarded. When an instance has ended, its claims are marked, so that children stop
 * waiting for it.
 *
 * Owned by main(). restore() is called before the server starts; all later work is on the loop.
 */
class CrashRecovery {
public:
    CrashRecovery(EventLoop &loop, DescriptorStore &store) : loop_(loop), store_(store) {}
    ~CrashRecovery();

    /** Takes one stored entry over. An invalid entry is removed from the store. */
    void restore(const std::string &key, const std::string &note, std::vector<FileDescriptor> descriptors);

private:
    struct Instance {
        pid_t pid = 0;
        std::uint32_t firstCell = 0;
        std::uint32_t cells = 0;
        FileDescriptor pidFd;
        FileDescriptor control;
        FileDescriptor claims;
        ProcessOutputPtr output;
        std::unique_ptr<DescriptorWatcher> watcher;
    };
    void restoreInstance(const std::string &key, const std::string &note, std::vector<FileDescriptor> descriptors);
    static void noteDeath(const Instance &instance, std::uint32_t cell);
    void ended(const std::string &key);

    EventLoop &loop_;
    DescriptorStore &store_;
    /** Used on the loop only, once watchers run. */
    std::map<std::string, Instance> instances_;
};

}  // namespace Passenger
