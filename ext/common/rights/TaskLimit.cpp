#include "rights/TaskLimit.h"

#include <linux/capability.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <sstream>
#include <string>

#include "base/EffectiveCapability.h"
#include "base/Exceptions.h"
#include "base/ProcessTree.h"

namespace Passenger::TaskLimit {

namespace {

struct Tasks {
    uid_t user = 0;
    std::uint64_t threads = 0;
};

Tasks tasksIn(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/status");
    Tasks tasks;
    for (std::string line; std::getline(file, line);) {
        std::istringstream words(line);
        std::string label;
        words >> label;
        if (label == "Uid:") {
            words >> tasks.user;
        } else if (label == "Threads:") {
            words >> tasks.threads;
            break;
        }
    }
    return tasks;
}

}  // namespace

std::uint64_t tasksOf(uid_t user) {
    std::uint64_t sum = 0;
    for (const pid_t pid : allPids()) {
        if (const Tasks tasks = tasksIn(pid); tasks.user == user) {
            sum += tasks.threads;
        }
    }
    return sum;
}

std::uint64_t above(uid_t user, unsigned more) {
    rlimit own{};
    if (::getrlimit(RLIMIT_NPROC, &own) != 0) {
        throw SystemException("getrlimit(RLIMIT_NPROC)", errno);
    }
    return std::min<std::uint64_t>(tasksOf(user) + more, own.rlim_max);
}

bool canLift() {
    return hasCapability(CAP_SYS_RESOURCE);
}

void lift(pid_t process) noexcept {
    rlimit own{};
    if (::getrlimit(RLIMIT_NPROC, &own) != 0) {
        return;
    }
    ::prlimit(process, RLIMIT_NPROC, &own, nullptr);
    for (const pid_t descendant : descendantsOf(process)) {
        ::prlimit(descendant, RLIMIT_NPROC, &own, nullptr);
    }
}

}  // namespace Passenger::TaskLimit
