#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/ChildProcess.h"

namespace Passenger {

/**
 * The steps of a child between fork and exec. Used by ChildProcess alone. The Command must outlive
 * this object.
 *
 * The constructor allocates all memory, before the fork. The parent may have other threads, so
 * run() makes only async-signal-safe calls.
 */
class ChildSetup {
public:
    enum class Step : int { SESSION, GROUP, SIGNALS, DESCRIPTORS, CLOSE_OTHERS, PARENT_DEATH_SIGNAL, EXECUTE };
    /** The child writes this to the status pipe in one write. */
    struct Failure {
        Step step;
        int error;
    };

    ChildSetup(const ChildProcess::Command &command, int nullDevice);

    /**
     * Runs in the child, with all signals blocked. Executes the program, or writes a Failure to
     * `statusPipe` and exits.
     */
    [[noreturn]] void run(int statusPipe) const noexcept;

    static std::string describe(Step step);

private:
    struct Mapped {
        int source;
        int target;
        mutable int parked;
    };

    void requestDeathSignal(int statusPipe) const noexcept;
    void mapDescriptors(int &statusPipe) const noexcept;
    void closeOthers(int statusPipe) const noexcept;
    void execute(int statusPipe) const noexcept;

    bool newSession_;
    bool newGroup_;
    int parentDeathSignal_;
    pid_t parent_;
    std::vector<Mapped> mapped_;
    /**
     * Above all targets. Sources are duplicated from this number on, before a target can overwrite
     * a source.
     */
    int parkingStart_;
    /** Targets above 2: sorted, each once. */
    std::vector<int> kept_;
    std::vector<std::string> paths_;
    std::vector<const char *> arguments_;
    std::vector<const char *> environment_;
};

}  // namespace Passenger
