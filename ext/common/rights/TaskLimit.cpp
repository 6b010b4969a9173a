#include "rights/TaskLimit.h"

#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/Exceptions.h"
#include "base/FileContent.h"
#include "base/ProcessTree.h"
#include "base/Split.h"
#include "base/ThreadCapabilities.h"

namespace Passenger::TaskLimit {

namespace {

/** PROC_USER_INIT_INO and PROC_PID_INIT_INO in Linux. */
constexpr ino_t FIRST_USER_NAMESPACE = 0xEFFFFFFD;
constexpr ino_t FIRST_PID_NAMESPACE = 0xEFFFFFFC;

/** A kernel without such namespaces has the first one only. */
bool isNamespace(const char *path, ino_t number) {
    struct stat status {};
    return ::stat(path, &status) == 0 ? status.st_ino == number : errno == ENOENT;
}

}  // namespace

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
    throwUnless(::getrlimit(RLIMIT_NPROC, &own) == 0, "getrlimit(RLIMIT_NPROC)");
    return std::min<std::uint64_t>(tasksOf(user) + more, own.rlim_max);
}

bool canLift() {
    return hasCapability(CAP_SYS_RESOURCE) && isNamespace("/proc/self/ns/user", FIRST_USER_NAMESPACE) &&
           isNamespace("/proc/self/ns/pid", FIRST_PID_NAMESPACE);
}

void lift(pid_t process) {
    rlimit own{};
    int failure = ::getrlimit(RLIMIT_NPROC, &own) == 0 ? 0 : errno;
    std::vector<pid_t> family = descendantsOf(process);
    family.push_back(process);
    for (auto one = family.begin(); one != family.end() && failure == 0; ++one) {
        if (::prlimit(*one, RLIMIT_NPROC, &own, nullptr) != 0 && errno != ESRCH) {
            failure = errno;
        }
    }
    if (failure != 0) {
        throw SystemException("prlimit(RLIMIT_NPROC)", failure);
    }
}

}  // namespace Passenger::TaskLimit
