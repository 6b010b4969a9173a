#include "base/BootPriority.h"

#include <linux/capability.h>
#include <sched.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/ProcessStat.h"
#include "base/ProcessTree.h"
#include "base/ThreadCapabilities.h"

namespace Passenger::BootPriority {

namespace {

/** A thread that has the old policy may start others meanwhile. */
constexpr int MOST_PASSES = 5;

struct Change {
    int from;
    int to;
};

/** @return whether a thread had the old policy */
bool changeThreads(pid_t process, Change change) {
    const sched_param none{};
    bool any = false;
    for (const pid_t thread : pidsIn("/proc/" + std::to_string(process) + "/task")) {
        any =
            (::sched_getscheduler(thread) == change.from && ::sched_setscheduler(thread, change.to, &none) == 0) || any;
    }
    return any;
}

bool changeOnce(pid_t process, Change change) {
    bool any = changeThreads(process, change);
    for (const pid_t descendant : descendantsOf(process)) {
        any = changeThreads(descendant, change) || any;
    }
    return any;
}

void changeAll(pid_t process, Change change) {
    for (int pass = 0; pass < MOST_PASSES && changeOnce(process, change); ++pass) {
    }
}

bool isRunnable(pid_t process) {
    const auto stat = ProcessStat::of(process);
    return stat && stat->state == 'R';
}

}  // namespace

bool canRestore() {
    return ::sched_getscheduler(0) == SCHED_OTHER && hasCapability(CAP_SYS_NICE);
}

void lower(pid_t process) {
    changeAll(process, {SCHED_OTHER, SCHED_IDLE});
}

void restore(pid_t process) {
    changeAll(process, {SCHED_IDLE, SCHED_OTHER});
}

bool wantsProcessor(pid_t process) {
    if (isRunnable(process)) {
        return true;
    }
    const std::vector<pid_t> descendants = descendantsOf(process);
    return std::any_of(descendants.begin(), descendants.end(), isRunnable);
}

}  // namespace Passenger::BootPriority
