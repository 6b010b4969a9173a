/*
 * instruction_counter PID: counts the instructions that a process runs outside of the kernel, on
 * machines without a hardware counter (`perf stat`). The program steps through all threads of the
 * process. It prints "counting" first, and the number so far for each line of standard input. At
 * the end of standard input it detaches from the process. Meanwhile the process is some hundred
 * times slower, and stays on the core of this program.
 *
 * Valgrind cannot count them: Debian 12's does not know pidfd_open. Each round of a repeated string
 * instruction counts as one.
 */
#include <dirent.h>
#include <poll.h>
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>

#include <fmt/format.h>

#include "base/Exceptions.h"

namespace Passenger {

namespace {

constexpr suseconds_t LOOK_MICROSECONDS = 10000;

void require(bool good, const std::string &what) {
    if (!good) {
        throw SystemException(what, errno);
    }
}

std::set<pid_t> threadsOf(pid_t process) {
    const std::string folder = fmt::format("/proc/{}/task", process);
    const std::unique_ptr<DIR, int (*)(DIR *)> tasks(::opendir(folder.c_str()), ::closedir);
    require(tasks != nullptr, folder);
    std::set<pid_t> threads;
    while (const dirent *entry = ::readdir(tasks.get())) {
        if (entry->d_name[0] != '.') {
            threads.insert(static_cast<pid_t>(std::stol(entry->d_name)));
        }
    }
    return threads;
}

/**
 * Steps through the threads that the process has when the stepper is made. The destructor detaches.
 */
class Stepper {
public:
    explicit Stepper(pid_t process) : threads_(threadsOf(process)) {
        for (const pid_t thread : threads_) {
            require(::ptrace(PTRACE_SEIZE, thread, nullptr, nullptr) == 0, "cannot attach to the process");
            ::ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr);
        }
    }
    Stepper(const Stepper &) = delete;
    Stepper &operator=(const Stepper &) = delete;
    ~Stepper() {
        for (const pid_t thread : threads_) {
            ::ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr);
            ::waitpid(thread, nullptr, __WALL);
            ::ptrace(PTRACE_DETACH, thread, nullptr, nullptr);
        }
    }

    /** Waits until a thread stops, or a signal arrives, and lets the thread make its next step. */
    void stepNext() {
        int status = 0;
        const pid_t thread = ::waitpid(-1, &status, __WALL);
        if (thread > 0 && WIFSTOPPED(status)) {
            step(thread, status);
        } else if (thread > 0) {
            threads_.erase(thread);
        } else {
            require(errno == EINTR, "the process is gone");
        }
    }
    std::uint64_t steps() const { return steps_; }

private:
    void step(pid_t thread, int status) {
        const bool attached = status >> 16 != 0;
        const bool stepped = WSTOPSIG(status) == SIGTRAP && !attached;
        steps_ += stepped ? 1 : 0;
        ::ptrace(PTRACE_SINGLESTEP, thread, nullptr, stepped || attached ? 0 : WSTOPSIG(status));
    }

    std::set<pid_t> threads_;
    std::uint64_t steps_ = 0;
};

volatile std::sig_atomic_t timeToLook = 0;

/** A signal ends the wait from time to time, because the process may do nothing for long. */
void lookRegularly() {
    struct sigaction action {};
    action.sa_handler = [](int) { timeToLook = 1; };
    ::sigaction(SIGALRM, &action, nullptr);
    const itimerval interval{{0, LOOK_MICROSECONDS}, {0, LOOK_MICROSECONDS}};
    ::setitimer(ITIMER_REAL, &interval, nullptr);
}

/** A change from one core to another would cost more than the step. */
void shareCore(pid_t process) {
    cpu_set_t core;
    CPU_ZERO(&core);
    CPU_SET(static_cast<unsigned>(::sched_getcpu()), &core);
    ::sched_setaffinity(0, sizeof(core), &core);
    for (const pid_t thread : threadsOf(process)) {
        ::sched_setaffinity(thread, sizeof(core), &core);
    }
}

void say(const std::string &line) {
    fmt::print("{}\n", line);
    std::fflush(stdout);
}

/** Answers the lines of standard input. False at its end. */
bool answer(const Stepper &stepper) {
    pollfd input{STDIN_FILENO, POLLIN, 0};
    if (::poll(&input, 1, 0) <= 0) {
        return true;
    }
    std::array<char, 16> line;
    if (::read(STDIN_FILENO, line.data(), line.size()) <= 0) {
        return false;
    }
    say(fmt::format("{}", stepper.steps()));
    return true;
}

void count(pid_t process) {
    shareCore(process);
    Stepper stepper(process);
    say("counting");
    lookRegularly();
    for (;;) {
        stepper.stepNext();
        if (timeToLook != 0) {
            timeToLook = 0;
            if (!answer(stepper)) {
                return;
            }
        }
    }
}

}  // namespace

}  // namespace Passenger

int main(int argc, char **argv) {
    try {
        if (argc != 2) {
            throw std::invalid_argument("say which process: instruction_counter PID");
        }
        Passenger::count(static_cast<pid_t>(std::stol(argv[1])));
        return EXIT_SUCCESS;
    } catch (const std::exception &error) {
        fmt::print(stderr, "instruction_counter: {}\n", error.what());
        return EXIT_FAILURE;
    }
}
