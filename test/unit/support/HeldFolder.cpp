#include "support/HeldFolder.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>

#include "base/ProcessStat.h"
#include "support/Eventually.h"

namespace Passenger {

namespace {

constexpr std::size_t PAGE = 4096;

/** A page whose first access waits until this process ends. */
void *endlessPage() {
    const auto pages = static_cast<int>(::syscall(SYS_userfaultfd, O_CLOEXEC));
    uffdio_api api{};
    api.api = UFFD_API;
    void *const page = ::mmap(nullptr, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uffdio_register range{};
    range.range = {reinterpret_cast<std::uintptr_t>(page), PAGE};
    range.mode = UFFDIO_REGISTER_MODE_MISSING;
    const bool made = pages >= 0 && page != MAP_FAILED && ::ioctl(pages, UFFDIO_API, &api) == 0 &&
                      ::ioctl(pages, UFFDIO_REGISTER, &range) == 0;
    return made ? page : nullptr;
}

template <typename Work> pid_t run(Work work) {
    const pid_t child = ::fork();
    if (child == 0) {
        work();
        ::_exit(0);
    }
    return child;
}

/** @return false if the process ends before it is in one of these states */
bool getsInto(const std::string &states, pid_t process) {
    char state = 0;
    eventually([&] {
        state = ProcessStat::of(process).value_or(ProcessStat()).state;
        return (states + 'Z').find(state) != std::string::npos;
    });
    return states.find(state) != std::string::npos;
}

}  // namespace

HeldFolder::HeldFolder(const std::string &path) {
    processes_[0] = run([&] {
        void *const page = endlessPage();
        const int folder = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (page != nullptr && folder >= 0) {
            ::raise(SIGSTOP);
            ::syscall(SYS_getdents64, folder, page, PAGE);
        }
    });
    if (!getsInto("T", processes_[0])) {
        return;
    }
    ::kill(processes_[0], SIGCONT);
    // The wait for the page ends by SIGKILL, so it may look like a sleep.
    if (!getsInto("SD", processes_[0])) {
        return;
    }
    processes_[1] =
        run([&] { static_cast<void>(::open((path + "/new").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)); });
    holds_ = getsInto("D", processes_[1]);
}

HeldFolder::~HeldFolder() {
    for (const pid_t process : processes_) {
        if (process > 0) {
            ::kill(process, SIGKILL);
            ::waitpid(process, nullptr, 0);
        }
    }
}

}  // namespace Passenger
