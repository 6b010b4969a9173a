#include "confinement/SystemCalls.h"

#include <array>

namespace Passenger::SystemCalls {

namespace {

// Beside what a process was seen to call: older and newer forms of the same calls, since libc
// chooses among them, and what the library calls when a process aborts. Calls whose arguments
// matter (clone, ioctl, kill, prctl, socket and others) are in SystemCallFilter.
constexpr std::array ALLOWED{
    // Memory
    "brk", "mmap", "mmap2", "munmap", "mremap", "mprotect", "madvise", "mincore", "msync", "mlock", "munlock",
    "membarrier", "map_shadow_stack", "mseal", "memfd_create",
    // Threads and this process
    "futex", "futex_time64", "futex_wait", "futex_wake", "futex_requeue", "futex_waitv", "set_robust_list",
    "get_robust_list", "rseq", "set_tid_address", "set_thread_area", "arch_prctl", "exit", "exit_group", "sched_yield",
    "sched_getaffinity", "sched_getparam", "sched_getscheduler", "sched_get_priority_max", "sched_get_priority_min",
    "getcpu", "gettid", "getpid", "getppid", "getpgrp", "getpgid", "getsid", "getuid", "getuid32", "geteuid",
    "geteuid32", "getgid", "getgid32", "getegid", "getegid32", "getresuid", "getresuid32", "getresgid", "getresgid32",
    "getgroups", "getgroups32", "capget", "getrusage", "getrlimit", "ugetrlimit", "getpriority", "umask", "uname",
    "sysinfo", "getrandom", "wait4", "waitid", "waitpid", "restart_syscall",
    // Signals
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigreturn", "rt_sigpending", "rt_sigtimedwait",
    "rt_sigtimedwait_time64", "rt_sigsuspend", "sigaltstack", "signalfd", "signalfd4", "pause",
    // Time
    "clock_gettime", "clock_gettime64", "clock_getres", "clock_getres_time64", "clock_nanosleep",
    "clock_nanosleep_time64", "nanosleep", "gettimeofday", "time", "times", "timerfd_create", "timerfd_settime",
    "timerfd_settime64", "timerfd_gettime", "timerfd_gettime64",
    // Descriptors
    "read", "readv", "pread64", "preadv", "preadv2", "write", "writev", "pwrite64", "pwritev", "pwritev2", "close",
    "close_range", "dup", "dup2", "dup3", "fcntl", "fcntl64", "flock", "pipe", "pipe2", "lseek", "_llseek", "fsync",
    "fdatasync", "ftruncate", "ftruncate64", "fallocate", "sendfile", "sendfile64",
    // Files. Landlock and the rights of the user say which.
    "open", "openat", "openat2", "creat", "fstat", "fstat64", "stat", "stat64", "lstat", "lstat64", "newfstatat",
    "fstatat64", "statx", "statfs", "statfs64", "fstatfs", "fstatfs64", "access", "faccessat", "faccessat2", "readlink",
    "readlinkat", "getdents", "getdents64", "getcwd", "mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "rename",
    "renameat", "renameat2", "fchmod",
    // Waiting
    "poll", "ppoll", "ppoll_time64", "select", "_newselect", "pselect6", "pselect6_time64", "epoll_create",
    "epoll_create1", "epoll_ctl", "epoll_ctl_old", "epoll_wait", "epoll_wait_old", "epoll_pwait", "epoll_pwait2",
    "eventfd", "eventfd2", "inotify_init", "inotify_init1", "inotify_add_watch", "inotify_rm_watch", "pidfd_open",
    // Sockets; which ones, says the call socket.
    "bind", "listen", "accept", "accept4", "connect", "getsockname", "getpeername", "getsockopt", "setsockopt", "send",
    "sendto", "sendmsg", "sendmmsg", "recv", "recvfrom", "recvmsg", "recvmmsg", "recvmmsg_time64", "shutdown"};

constexpr std::array DEADLY{
    // Other programs, other users
    "execve", "execveat", "setuid", "setuid32", "setgid", "setgid32", "setreuid", "setreuid32", "setregid",
    "setregid32", "setresuid", "setresuid32", "setresgid", "setresgid32", "setfsuid", "setfsuid32", "setfsgid",
    "setfsgid32", "setgroups", "setgroups32", "capset", "chroot", "pivot_root", "unshare", "setns",
    // Other processes
    "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "process_madvise", "kcmp",
    // The system
    "mount", "umount", "umount2", "mount_setattr", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount", "fspick",
    "swapon", "swapoff", "reboot", "kexec_load", "kexec_file_load", "init_module", "finit_module", "create_module",
    "delete_module", "bpf", "perf_event_open", "userfaultfd", "iopl", "ioperm", "acct", "quotactl", "quotactl_fd",
    "settimeofday", "clock_settime", "clock_settime64", "clock_adjtime", "clock_adjtime64", "adjtimex", "stime",
    "sethostname", "setdomainname", "vhangup", "mknod", "mknodat", "open_by_handle_at", "syslog", "fanotify_init",
    "add_key", "request_key", "keyctl", "personality", "vm86", "vm86old", "modify_ldt"};

}  // namespace

std::span<const char *const> allowed() {
    return ALLOWED;
}

std::span<const char *const> deadly() {
    return DEADLY;
}

}  // namespace Passenger::SystemCalls
