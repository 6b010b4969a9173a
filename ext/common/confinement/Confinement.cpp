#include "confinement/Confinement.h"

#include <sys/prctl.h>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <iterator>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "confinement/FileLimits.h"
#include "confinement/SystemCallFilter.h"

namespace Passenger {

namespace {

#ifdef PASSENGER_SANITIZED
constexpr bool SANITIZED = true;
#else
constexpr bool SANITIZED = false;
#endif

void set(int option, unsigned long value, const char *call) {
    if (::prctl(option, value, 0UL, 0UL, 0UL) != 0) {
        throw SystemException(call, errno);
    }
}

std::ptrdiff_t threads() {
    return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
}

void checkOneThread() {
    if (threads() != 1) {
        throw IOException("a process with several threads cannot be confined");
    }
}

}  // namespace

std::string confine(const Confinement &limits) {
    if (SANITIZED) {
        return "no_new_privs=no seccomp=none landlock=none reason=\"built with sanitizers\"";
    }
    checkOneThread();
    set(PR_SET_NO_NEW_PRIVS, 1, "prctl(PR_SET_NO_NEW_PRIVS)");
    if (!limits.dumpable) {
        set(PR_SET_DUMPABLE, 0, "prctl(PR_SET_DUMPABLE)");
    }
    // Before the filter, which allows no such calls.
    const int landlock = limits.seccomp == SeccompMode::ON ? FileLimits::apply({limits.ports, false}) : 0;
    const bool filtered = SystemCallFilter::apply(
        limits.seccomp, limits.tcp ? SystemCallFilter::For::SERVING_TCP : SystemCallFilter::For::SERVING);
    return fmt::format("no_new_privs=yes seccomp={} landlock={}",
                       !filtered                           ? "none"
                       : limits.seccomp == SeccompMode::ON ? "on"
                                                           : "log",
                       landlock != 0 ? std::to_string(landlock) : "none");
}

void confineProgram(const std::vector<std::uint16_t> &ports, SeccompMode seccomp) {
    checkOneThread();
    set(PR_SET_NO_NEW_PRIVS, 1, "prctl(PR_SET_NO_NEW_PRIVS)");
    if (seccomp == SeccompMode::ON) {
        FileLimits::apply({ports, true});
    }
    SystemCallFilter::apply(seccomp, SystemCallFilter::For::PROGRAM);
}

}  // namespace Passenger
