#include "rights/TaskLimit.h"

#include <linux/capability.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string>

#include "base/Exceptions.h"
#include "base/FileContent.h"
#include "base/ProcessTree.h"
#include "base/Split.h"
#include "base/ThreadCapabilities.h"

namespace Passenger::TaskLimit {

std::uint64_t tasksOf(uid_t user) {
    std::uint64_t sum = 0;
    for (const pid_t pid : allPids()) {
        const std::string status = fileContent("/proc/" + std::to_string(pid) + "/status");
        if (std::strtoul(afterLabel(status, "Uid:").c_str(), nullptr, 10) == user) {
            sum += std::strtoul(afterLabel(status, "Threads:").c_str(), nullptr, 10);
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
