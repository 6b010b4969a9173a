#include "support/LeakCheck.h"

#include <cppunit/TestAssert.h>
#include <sys/wait.h>

#include <chrono>
#include <filesystem>
#include <system_error>
#include <thread>

#include "support/Eventually.h"

namespace Passenger {

namespace {

namespace fs = std::filesystem;

std::map<int, std::string> descriptorsWithTargets() {
    std::map<int, std::string> result;
    for (const auto &entry : fs::directory_iterator("/proc/self/fd")) {
        std::error_code error;
        const auto target = fs::read_symlink(entry.path(), error);
        // The list contains the descriptor of the folder itself, which is closed by now.
        if (!error && !target.string().starts_with("/proc/")) {
            result[std::stoi(entry.path().filename())] = target;
        }
    }
    return result;
}

std::set<int> threads() {
    std::set<int> result;
    for (const auto &entry : fs::directory_iterator("/proc/self/task")) {
        result.insert(std::stoi(entry.path().filename()));
    }
    return result;
}

/** The pid of a child process that has ended, -1 for one that still runs; 0: there is no child. */
pid_t anyChild() {
    siginfo_t info{};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
        return 0;
    }
    // waitid() does not name a child that still runs.
    return info.si_pid != 0 ? info.si_pid : -1;
}

}  // namespace

void LeakCheck::setUp() {
    // ThreadSanitizer starts a thread of its own with the first thread of the process.
    static const bool started = [] {
        std::thread([] {}).join();
        return true;
    }();
    CPPUNIT_ASSERT(started);
    before_ = take();
}

void LeakCheck::tearDown() {
    // A joined thread stays listed for a moment.
    std::string left;
    eventually(
        [&] {
            left = whatIsLeft();
            return left.empty();
        },
        std::chrono::seconds(20));
    CPPUNIT_ASSERT_EQUAL_MESSAGE("The test left something behind", std::string(), left);
}

LeakCheck::Snapshot LeakCheck::take() {
    return {descriptorsWithTargets(), threads(), anyChild()};
}

std::string LeakCheck::whatIsLeft() const {
    const Snapshot now = take();
    std::string left;
    for (const auto &[fd, target] : now.descriptors) {
        const auto earlier = before_.descriptors.find(fd);
        if (earlier == before_.descriptors.end() || earlier->second != target) {
            left += " descriptor " + std::to_string(fd) + " (" + target + ")";
        }
    }
    for (const auto &[fd, target] : before_.descriptors) {
        if (!now.descriptors.contains(fd)) {
            left += " descriptor " + std::to_string(fd) + " (" + target + ") closed";
        }
    }
    for (const int thread : now.threads) {
        if (!before_.threads.contains(thread)) {
            left += " thread " + std::to_string(thread);
        }
    }
    if (now.child != 0 && now.child != before_.child) {
        left += now.child > 0 ? " unreaped process " + std::to_string(now.child) : " running process";
    }
    return left;
}

}  // namespace Passenger
