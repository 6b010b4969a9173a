#include "agent/ProcessSetup.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <exception>

#include "base/Exceptions.h"
#include "base/StandardDescriptors.h"
#include "base/ThreadCapabilities.h"
#include "base/UserSwitch.h"
#include "confinement/Confinement.h"

namespace Passenger {

namespace {

constexpr int INHERITED_SOCKET = 3;
/** No process of the agent can use more. In some containers the limit is so high that programs that
 *  try all descriptors take hours. */
constexpr rlim_t HIGHEST_DESCRIPTOR_LIMIT = 1024 * 1024;

/** The limit at the start, and the raised limit. */
rlim_t foundLimit = 0;
rlim_t raisedLimit = 0;

void raiseDescriptorLimit() {
    rlimit limit{};
    throwUnless(::getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit(RLIMIT_NOFILE)");
    foundLimit = limit.rlim_cur;
    limit.rlim_cur = std::max(limit.rlim_cur, std::min(limit.rlim_max, HIGHEST_DESCRIPTOR_LIMIT));
    raisedLimit = ::setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : foundLimit;
}

}  // namespace

void setUpProcess() {
    // A process of /proc/self/exe would have the name "exe".
    ::prctl(PR_SET_NAME, program_invocation_short_name);
    ::syscall(SYS_close_range, static_cast<unsigned>(INHERITED_SOCKET + 1), UINT_MAX, 0U);
    openStandardDescriptors();
    // A write() to a closed connection returns an error instead. A hang-up of a terminal does not
    // concern the agent.
    // A write() to a log beyond RLIMIT_FSIZE fails like that to a full disk.
    ignoreSignals({SIGPIPE, SIGHUP, SIGXFSZ});
    raiseDescriptorLimit();
}

void ignoreSignals(std::initializer_list<int> signals) {
    for (const int signal : signals) {
        ::signal(signal, SIG_IGN);
    }
}

std::string giveUpRights(uid_t user, gid_t group, SeccompMode seccomp) {
    const pid_t parent = ::getppid();
    try {
        switchUser(FileRights{user, group, {}});
    } catch (const std::exception &error) {
        throw IOException("the pool process cannot become user " + std::to_string(user) +
                          " (PassengerAgentUser): " + error.what());
    }
    // The change of the user has reset it.
    throwUnless(::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0, "prctl(PR_SET_PDEATHSIG)");
    if (::getppid() != parent) {
        throw IOException("the watchdog ended");
    }
    Confinement limits;
    limits.seccomp = seccomp;
    return confine(limits);
}

void keepRights() {
    // The order of the uses: logs that are new; logs and socket folders of users; signals; queues
    // beyond net.core.wmem_max; other users (AsUser); /proc of applications; limits
    // of their tasks.
    ThreadCapabilities().keepOnly({CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_KILL, CAP_NET_ADMIN, CAP_SETGID, CAP_SETUID,
                                   CAP_SYS_NICE, CAP_SYS_PTRACE, CAP_SYS_RESOURCE});
}

FileDescriptor takeInheritedSocket() {
    int type = 0;
    socklen_t size = sizeof type;
    if (::getsockopt(INHERITED_SOCKET, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM) {
        throw IOException(
            "descriptor 3 is not a socket of httpd: mod_passenger starts this program; do not start it by hand");
    }
    throwUnless(::fcntl(INHERITED_SOCKET, F_SETFD, FD_CLOEXEC) == 0, "fcntl(F_SETFD)");
    return FileDescriptor(INHERITED_SOCKET);
}

std::string ownProgram() {
    const char *const self = "/proc/self/exe";
    std::array<char, PATH_MAX> buffer;
    const ssize_t size = ::readlink(self, buffer.data(), buffer.size());
    if (size < 0) {
        throw SystemException("readlink(\"/proc/self/exe\")", errno);
    }
    // A package upgrade replaces the file. The agent must start its own version, so then the link
    // itself is used.
    const std::string path(buffer.data(), static_cast<std::size_t>(size));
    struct stat here {};
    struct stat there {};
    const bool same = ::stat(self, &here) == 0 && ::stat(path.c_str(), &there) == 0 && here.st_dev == there.st_dev &&
                      here.st_ino == there.st_ino;
    return same ? path : self;
}

std::string describeDescriptorLimit() {
    const auto found = std::to_string(foundLimit);
    return raisedLimit == foundLimit ? found : found + ", raised to " + std::to_string(raisedLimit);
}

}  // namespace Passenger
