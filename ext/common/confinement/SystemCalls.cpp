#include "confinement/SystemCalls.h"

#include <array>

namespace Passenger::SystemCalls {

namespace {

// What the pool process and bridges were seen to call (test/integration/system_calls_test.rb), in
// the forms that other processors and older versions of libc have. Calls whose arguments matter
// (clone, ioctl, kill, prctl, socket and others) are in SystemCallFilter.
constexpr std::array SEEN{// Memory
                          "brk", "mmap", "mmap2", "munmap", "mremap", "mprotect", "madvise", "memfd_create",
                          // Threads and this process
                          "futex", "futex_time64", "set_robust_list", "rseq", "set_tid_address", "set_thread_area",
                          "arch_prctl", "exit", "exit_group", "sched_yield", "sched_getaffinity", "gettid", "getpid",
                          "getppid", "getuid", "getuid32", "geteuid", "geteuid32", "getgid", "getgid32", "getegid",
                          "getegid32", "getrlimit", "ugetrlimit", "uname", "getrandom", "waitid",
                          // Signals
                          "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigreturn", "sigaltstack", "signalfd4",
                          // Time
                          "clock_gettime", "clock_gettime64", "clock_nanosleep", "clock_nanosleep_time64", "nanosleep",
                          "gettimeofday", "time",
                          // Descriptors
                          "read", "pread64", "write", "pwrite64", "close", "dup2", "dup3", "fcntl", "fcntl64", "pipe2",
                          "lseek", "_llseek", "ftruncate", "ftruncate64",
                          // Files to read
                          "openat", "fstat", "fstat64", "stat", "stat64", "lstat", "lstat64", "newfstatat", "fstatat64",
                          "statx", "readlink", "readlinkat", "getdents64", "fchmod",
                          // Waiting
                          "poll", "ppoll", "ppoll_time64", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait",
                          "eventfd2", "inotify_init1", "pidfd_open",
                          // Sockets; which ones, says the call socket.
                          "bind", "listen", "accept4", "connect", "getsockname", "getpeername", "getsockopt",
                          "setsockopt", "send", "sendto", "sendmsg", "recv", "recvfrom", "recvmsg", "shutdown"};

// What the test does not show.
constexpr std::array UNSEEN{// The agent, when it no longer watches a folder
                            "inotify_rm_watch",
                            // Later versions of libc
                            "futex_wait", "futex_wake", "futex_requeue", "map_shadow_stack", "mseal", "epoll_pwait2",
                            // libc when a process aborts, after a signal, and where it sorts much
                            "writev", "restart_syscall", "sysinfo",
                            // Libraries of the user database: they read files and
                            // wait for a daemon (sssd, systemd)
                            "access", "faccessat", "faccessat2", "statfs", "statfs64", "fstatfs", "fstatfs64", "select",
                            "_newselect", "pselect6", "pselect6_time64", "timerfd_create", "timerfd_settime",
                            "timerfd_settime64"};

constexpr std::array DEADLY{
    // Other users
    "setuid", "setuid32", "setgid", "setgid32", "setreuid", "setreuid32", "setregid", "setregid32", "setresuid",
    "setresuid32", "setresgid", "setresgid32", "setfsuid", "setfsuid32", "setfsgid", "setfsgid32", "setgroups",
    "setgroups32", "capset", "chroot", "pivot_root", "unshare", "setns",
    // Other processes
    "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "process_madvise", "kcmp",
    // The system
    "mount", "umount", "umount2", "mount_setattr", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount", "fspick",
    "swapon", "swapoff", "reboot", "kexec_load", "kexec_file_load", "init_module", "finit_module", "create_module",
    "delete_module", "bpf", "perf_event_open", "userfaultfd", "iopl", "ioperm", "acct", "quotactl", "quotactl_fd",
    "settimeofday", "clock_settime", "clock_settime64", "clock_adjtime", "clock_adjtime64", "adjtimex", "stime",
    "sethostname", "setdomainname", "vhangup", "mknod", "mknodat", "open_by_handle_at", "syslog", "fanotify_init",
    "add_key", "request_key", "keyctl", "personality", "vm86", "vm86old", "modify_ldt"};

constexpr std::array DEADLY_BESIDE_PROGRAMS{"execve", "execveat"};

// Seen of Ruby, bash and what they start. Ruby before 3.3 has a timer. ARM sets a thread's area and
// flushes the cache of code by calls of its own.
constexpr std::array OF_PROGRAMS{"execve",        "fork",          "vfork",           "wait4",        "waitpid",
                                 "rt_sigsuspend", "getpgrp",       "getpgid",         "getgroups",    "getgroups32",
                                 "getrusage",     "umask",         "chdir",           "getcwd",       "dup",
                                 "pipe",          "open",          "readv",           "sendmmsg",     "eventfd",
                                 "timer_create",  "timer_settime", "timer_settime64", "timer_delete", "set_tls",
                                 "cacheflush"};

}  // namespace

std::span<const char *const> observed() {
    return SEEN;
}

std::span<const char *const> usedElsewhere() {
    return UNSEEN;
}

std::span<const char *const> fatal() {
    return DEADLY;
}

std::span<const char *const> fatalUnlessExecuting() {
    return DEADLY_BESIDE_PROGRAMS;
}

std::span<const char *const> forInterpreters() {
    return OF_PROGRAMS;
}

}  // namespace Passenger::SystemCalls
