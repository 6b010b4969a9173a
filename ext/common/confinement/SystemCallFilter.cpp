#include "confinement/SystemCallFilter.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <linux/netlink.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/sockios.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "base/Exceptions.h"
#include "confinement/SystemCalls.h"

// The oldest kernel headers with which this file builds lack these.
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

namespace Passenger::SystemCallFilter {

namespace {

using Conditions = std::vector<scmp_arg_cmp>;

/** Above the number of each family of this kernel and later ones. */
constexpr int FAMILIES = 64;
/** The kernel uses this half of the argument. */
constexpr scmp_datum_t LOW_HALF = 0xFFFFFFFFU;

/** Collects the rules, and gives them to the kernel. */
class Rules {
public:
    Rules(std::uint32_t otherwise, std::uint32_t architecture)
        : architecture_(architecture), context_(::seccomp_init(otherwise), ::seccomp_release) {
        if (context_ == nullptr) {
            throw SystemException("seccomp_init", ENOMEM);
        }
        if (architecture != ::seccomp_arch_native()) {
            check("seccomp_arch_add", ::seccomp_arch_add(context_.get(), architecture));
            check("seccomp_arch_remove", ::seccomp_arch_remove(context_.get(), SCMP_ARCH_NATIVE));
        }
        set(SCMP_FLTATR_CTL_TSYNC, 1);
        // A decision by halves: the list is long.
        set(SCMP_FLTATR_CTL_OPTIMIZE, 2);
    }

    /** An unknown name is skipped: the library is older, or the processor has no such call. A rule
     *  that does what happens otherwise is skipped, too: the library refuses it. */
    void add(std::uint32_t action, const char *name, const Conditions &conditions = {}) const {
        const int number = ::seccomp_syscall_resolve_name(name);
        if (number == __NR_SCMP_ERROR) {
            return;
        }
        const int result = ::seccomp_rule_add_array(context_.get(), action, number,
                                                    static_cast<unsigned>(conditions.size()), conditions.data());
        // EACCES: the same as otherwise. EDOM: not for this processor.
        if (result < 0 && result != -EACCES && result != -EDOM) {
            throw SystemException(std::string("seccomp_rule_add(") + name + ")", -result);
        }
    }

    void set(scmp_filter_attr attribute, std::uint32_t value) const {
        check("seccomp_attr_set", ::seccomp_attr_set(context_.get(), attribute, value));
    }

    /** Older calls of some processors give socket and others one number, with a number of the
     *  function as first argument. */
    bool seeFamilies() const { return ::seccomp_syscall_resolve_name_arch(architecture_, "socket") >= 0; }

    void load() const { check("seccomp_load", ::seccomp_load(context_.get())); }

    void writeAsText(int file) const { check("seccomp_export_pfc", ::seccomp_export_pfc(context_.get(), file)); }

private:
    static void check(const char *function, int result) {
        if (result < 0) {
            throw SystemException(function, -result);
        }
    }

    std::uint32_t architecture_;
    std::unique_ptr<void, decltype(&::seccomp_release)> context_;
};

scmp_arg_cmp is(unsigned argument, scmp_datum_t value) {
    return {argument, SCMP_CMP_EQ, value, 0};
}

scmp_arg_cmp lowHalfIs(unsigned argument, scmp_datum_t value) {
    return {argument, SCMP_CMP_MASKED_EQ, LOW_HALF, value};
}

void allowThreads(const Rules &rules) {
    constexpr scmp_datum_t THREAD = CLONE_THREAD;
    rules.add(SCMP_ACT_ALLOW, "clone", {{0, SCMP_CMP_MASKED_EQ, THREAD, THREAD}});
}

/** A refused fork or clone has another errno than an unknown call, which libc would try in another
 *  form. */
void refuseProcesses(const Rules &rules) {
    for (const char *name : {"fork", "vfork"}) {
        rules.add(SCMP_ACT_ERRNO(EPERM), name);
    }
    rules.add(SCMP_ACT_ERRNO(EPERM), "clone", {{0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0}});
}

/** Processes without namespaces of their own. */
void allowPrograms(const Rules &rules) {
    constexpr scmp_datum_t NAMESPACES = CLONE_NEWTIME | CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                        CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
    rules.add(SCMP_ACT_ALLOW, "clone", {{0, SCMP_CMP_MASKED_EQ, NAMESPACES, 0}});
    for (const char *name : SystemCalls::forInterpreters()) {
        rules.add(SCMP_ACT_ALLOW, name);
    }
    rules.add(SCMP_ACT_ALLOW, "prctl", {is(0, PR_SET_DUMPABLE), is(1, 0)});
    // Debian's Ruby makes it.
    rules.add(SCMP_ACT_ALLOW, "prctl", {is(0, PR_SET_THP_DISABLE)});
}

/** Before a crash a process signals itself. */
void allowOwnSignals(const Rules &rules) {
    const auto self = static_cast<scmp_datum_t>(::getpid());
    for (const char *name : {"kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"}) {
        rules.add(SCMP_ACT_ALLOW, name, {is(0, self)});
    }
}

void allowOfArguments(const Rules &rules) {
    for (const int option : {PR_SET_NAME, PR_GET_NAME, PR_SET_VMA, PR_GET_DUMPABLE, PR_SET_PDEATHSIG, PR_GET_PDEATHSIG,
                             PR_CAPBSET_READ, PR_GET_NO_NEW_PRIVS, PR_GET_SECCOMP}) {
        rules.add(SCMP_ACT_ALLOW, "prctl", {is(0, static_cast<scmp_datum_t>(option))});
    }
    for (const unsigned long request :
         std::initializer_list<unsigned long>{TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIOCLEX, FIONCLEX, SIOCOUTQ}) {
        rules.add(SCMP_ACT_ALLOW, "ioctl", {lowHalfIs(1, request)});
    }
#ifdef TCGETS2
    // Not on POWER
    rules.add(SCMP_ACT_ALLOW, "ioctl", {lowHalfIs(1, TCGETS2)});
#endif
    // Its own limits only.
    rules.add(SCMP_ACT_ALLOW, "prlimit64", {is(0, 0)});
    // The calling thread only, and no policy of real time.
    rules.add(SCMP_ACT_ALLOW, "sched_getscheduler", {is(0, 0)});
    for (const int policy : {SCHED_NORMAL, SCHED_BATCH}) {
        rules.add(SCMP_ACT_ALLOW, "sched_setscheduler", {is(0, 0), is(1, static_cast<scmp_datum_t>(policy))});
    }
}

void allowSockets(const Rules &rules, std::uint32_t refusal, For purpose) {
    rules.add(SCMP_ACT_ALLOW, "socketpair", {is(0, AF_UNIX)});
    if (!rules.seeFamilies()) {
        rules.add(SCMP_ACT_ALLOW, "socket");
        return;
    }
    const bool program = purpose == For::PROGRAM;
    const bool tcp = program || purpose == For::SERVING_TCP;
    for (int family = 0; family < FAMILIES; family++) {
        const bool allowed = family == AF_UNIX || (tcp && (family == AF_INET || family == AF_INET6));
        if (!tcp || family != AF_NETLINK) {
            rules.add(allowed ? SCMP_ACT_ALLOW : refusal, "socket", {is(0, static_cast<scmp_datum_t>(family))});
        }
    }
    if (tcp) {
        const scmp_datum_t protocol = program ? NETLINK_ROUTE : NETLINK_SOCK_DIAG;
        rules.add(SCMP_ACT_ALLOW, "socket", {is(0, AF_NETLINK), is(2, protocol)});
        rules.add(refusal, "socket", {is(0, AF_NETLINK), {2, SCMP_CMP_NE, protocol, 0}});
    }
    rules.add(refusal, "socket", {{0, SCMP_CMP_GE, FAMILIES, 0}});
}

Rules rulesOf(std::uint32_t architecture, SeccompMode mode, For purpose) {
    const bool enforces = mode == SeccompMode::ON;
    // In place of a refusal, a call is logged.
    const auto refusal = [enforces](std::uint32_t action) { return enforces ? action : SCMP_ACT_LOG; };
    Rules rules(refusal(SCMP_ACT_ERRNO(ENOSYS)), architecture);
    rules.set(SCMP_FLTATR_ACT_BADARCH, refusal(SCMP_ACT_KILL_PROCESS));
    for (const auto names : {SystemCalls::observed(), SystemCalls::usedElsewhere()}) {
        for (const char *name : names) {
            rules.add(SCMP_ACT_ALLOW, name);
        }
    }
    for (const char *name : SystemCalls::fatal()) {
        rules.add(refusal(SCMP_ACT_KILL_PROCESS), name);
    }
    allowThreads(rules);
    if (purpose == For::PROGRAM) {
        allowPrograms(rules);
    } else {
        for (const char *name : SystemCalls::fatalUnlessExecuting()) {
            rules.add(refusal(SCMP_ACT_KILL_PROCESS), name);
        }
        if (enforces) {
            refuseProcesses(rules);
        }
    }
    if (!enforces) {
        // The filter cannot see whether it makes a thread; libc uses clone instead if it is
        // refused, and each thread would be logged.
        rules.add(SCMP_ACT_ALLOW, "clone3");
    }
    allowOwnSignals(rules);
    allowOfArguments(rules);
    allowSockets(rules, refusal(SCMP_ACT_ERRNO(EAFNOSUPPORT)), purpose);
    return rules;
}

}  // namespace

bool apply(SeccompMode mode, For purpose) {
    if (mode == SeccompMode::OFF || ::seccomp_api_get() == 0) {
        return false;
    }
    rulesOf(::seccomp_arch_native(), mode, purpose).load();
    return true;
}

void writeAsText(std::uint32_t architecture, For purpose, int file) {
    rulesOf(architecture, SeccompMode::ON, purpose).writeAsText(file);
}

}  // namespace Passenger::SystemCallFilter
