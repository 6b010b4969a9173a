#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "base/ChildProcess.h"

namespace Passenger {

/**
 * What a ChildProcess does between fork and exec. All memory is taken in the constructor, before the fork: the parent may have
 * threads, so run() may only make async-signal-safe calls.
 *
 * Used by ChildProcess alone. The Command must outlive it.
 */
class ChildSetup {
public:
    enum class Step : int { SESSION, SIGNALS, DESCRIPTORS, CLOSE_OTHERS, PARENT_DEATH_SIGNAL, EXECUTE };
    /** Travels through the status pipe in one write. */
    struct Failure {
        Step step;
        int error;
    };

    ChildSetup(const ChildProcess::Command &command, int nullDevice);

    /** In the child, with all signals blocked. Executes the program or writes a Failure to `statusPipe` and exits. */
    [[noreturn]] void run(int statusPipe) const noexcept;

    static std::string describe(Step step);

private:
    struct Mapped {
        int source;
        int target;
        mutable int parked;
    };

    void resetSignals(int statusPipe) const noexcept;
    void requestDeathSignal(int statusPipe) const noexcept;
    void mapDescriptors(int &statusPipe) const noexcept;
    void closeOthers(int statusPipe) const noexcept;
    void execute(int statusPipe) const noexcept;

    bool newSession_;
    int parentDeathSignal_;
    pid_t parent_;
    std::vector<Mapped> mapped_;
    /** Above all targets: where descriptors are parked while their targets are still somebody's sources. */
    int parkingStart_;
    /** Targets above 2, in order, without repetition. */
    std::vector<int> kept_;
    std::vector<std::string> paths_;
    std::vector<const char *> arguments_;
    std::vector<const char *> environment_;
};

}  // namespace Passenger
