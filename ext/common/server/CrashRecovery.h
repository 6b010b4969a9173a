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
 * What a pool process that crashed has left with the watchdog: its queues are closed, so that its instances finish what they have and
 * end; until then what they print is forwarded; when one has ended, its claims are marked, so that children stop waiting for it.
 *
 * Owned by main(). restore() before anything is served; the rest happens on the loop.
 */
class CrashRecovery {
public:
    CrashRecovery(EventLoop &loop, DescriptorStore &store) : loop_(loop), store_(store) {}
    ~CrashRecovery();

    /** Takes one deposit over. What is not understood is withdrawn. */
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
    /** On the loop, once its watchers run. */
    std::map<std::string, Instance> instances_;
};

}  // namespace Passenger
