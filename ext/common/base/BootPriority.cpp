#include "base/BootPriority.h"

#include <linux/capability.h>
#include <sched.h>

#include <charconv>
#include <filesystem>
#include <string>
#include <system_error>

#include "base/EffectiveCapability.h"
#include "base/ProcessTree.h"

namespace Passenger::BootPriority {

namespace {

/** A thread that is not restored yet may start others meanwhile. */
constexpr int MOST_PASSES = 5;

bool change(pid_t thread, int from, int to) {
    const sched_param none{};
    return ::sched_getscheduler(thread) == from && ::sched_setscheduler(thread, to, &none) == 0;
}

/** @return whether a thread was lowered */
bool restoreThreads(pid_t process) {
    bool any = false;
    std::error_code ended;
    for (std::filesystem::directory_iterator threads("/proc/" + std::to_string(process) + "/task", ended), end;
         !ended && threads != end; threads.increment(ended)) {
        const std::string name = threads->path().filename().string();
        pid_t thread = 0;
        std::from_chars(name.data(), name.data() + name.size(), thread);
        any = (thread > 0 && change(thread, SCHED_IDLE, SCHED_OTHER)) || any;
    }
    return any;
}

bool restoreAll(pid_t process) {
    bool any = restoreThreads(process);
    for (const pid_t descendant : descendantsOf(process)) {
        any = restoreThreads(descendant) || any;
    }
    return any;
}

}  // namespace

bool canRestore() {
    return hasCapability(CAP_SYS_NICE);
}

bool lower(pid_t process) noexcept {
    return change(process, SCHED_OTHER, SCHED_IDLE);
}

void restore(pid_t process) noexcept {
    for (int pass = 0; pass < MOST_PASSES && restoreAll(process); ++pass) {
    }
}

}  // namespace Passenger::BootPriority
