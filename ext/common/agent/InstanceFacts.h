#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "agent/EndableThread.h"
#include "base/Mutex.h"
#include "base/ProcessMemory.h"

namespace Passenger {

/**
 * The memory and the CPU time of instances, measured in a thread of its own: a measurement takes
 * milliseconds, and waits for the rights process. While commands or pages ask for figures, they are
 * a few seconds old. The first answer after a pause has figures that are some minutes old.
 *
 * Owned by the engine. Thread-safe; of() never waits.
 */
class InstanceFacts {
public:
    struct Facts {
        /** The proportional share, and what is private. 0: not measured yet, or the instance has
         *  ended. */
        ProcessMemory memory;
        /** The CPU time since the start of the process; for a family, with that of its living
         *  descendants. */
        std::chrono::nanoseconds cpuTime{0};
        /** The time since that start, when the CPU time was measured. */
        std::chrono::nanoseconds processAge{0};
        /** For a family, the application's process (applicationOf()); 0: unknown, or no family. */
        pid_t application = 0;
    };
    struct Instance {
        pid_t pid = 0;
        /** The application runs in its descendants. */
        bool family = false;
    };
    struct Parts {
        /** The instances that live. */
        std::function<std::vector<Instance>()> instances;
        /** The memory of an instance, if it can be measured. */
        std::function<std::optional<ProcessMemory>(const Instance &)> measure;
    };

    /** @param parts called in the thread @throws SystemException, boost::thread_resource_error */
    explicit InstanceFacts(Parts parts);
    ~InstanceFacts();
    InstanceFacts(const InstanceFacts &) = delete;
    InstanceFacts &operator=(const InstanceFacts &) = delete;

    Facts of(pid_t pid) EXCLUDES(mutex_);

    /** The time until the next round, while figures are asked for. Measuring takes a twentieth of a
     *  core at most. @param round what the last one took */
    static std::chrono::milliseconds pauseAfter(std::chrono::nanoseconds round);

private:
    void run(const FileDescriptor &ending);
    void measure(const FileDescriptor &ending) EXCLUDES(mutex_);
    bool awaitRound(const FileDescriptor &ending) EXCLUDES(mutex_);

    const Parts parts_;
    Mutex mutex_{Locks::INSTANCE_FACTS};
    /** of() was called since the last measurement. */
    bool asked_ GUARDED_BY(mutex_) = false;
    /** An eventfd, set when asked_ becomes true. */
    FileDescriptor wake_;
    std::map<pid_t, Facts> facts_ GUARDED_BY(mutex_);
    EndableThread thread_;
};

}  // namespace Passenger
