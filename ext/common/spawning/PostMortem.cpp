#include "spawning/PostMortem.h"

#include <sys/wait.h>

#include <cerrno>
#include <chrono>
#include <csignal>

#include "base/ChildProcess.h"
#include "base/Exceptions.h"
#include "base/PidFd.h"
#include "base/Poll.h"
#include "log/Log.h"
#include "rights/Rights.h"
#include "spawning/WaitStatus.h"

namespace Passenger {

namespace {

using namespace std::chrono_literals;

/** A process whose control socket has ended usually ends soon, and prints the reason before. */
constexpr auto END_LIMIT = 500ms;
/**
 * The time for a hanging process to print its backtraces. A process that hangs in native code
 * prints none.
 */
constexpr auto BACKTRACE_LIMIT = 1000ms;
/** After a silence of this length the backtraces are complete. */
constexpr auto SILENCE = 100ms;

/** Requests backtraces by SIGQUIT. Ruby's handler prints them (lib/passenger/app/signals.rb). */
std::string askWhereItHangs(const FailedProcess &process) {
    const std::uint64_t before = process.output.lineCount();
    if (!process.isRuby || !process.pidFd || !Rights::ofThisProcess().signal(process.pidFd, SIGQUIT)) {
        return "";
    }
    const auto deadline = deadlineIn(BACKTRACE_LIMIT);
    std::uint64_t seen = before;
    while (std::chrono::steady_clock::now() < deadline && !waitPidFd(process.pidFd, SILENCE)) {
        const std::uint64_t now = process.output.lineCount();
        if (now > before && now == seen) {
            break;
        }
        seen = now;
    }
    return process.output.linesAfter(before);
}

}  // namespace

std::string howItEnded(const std::optional<int> &waitStatus) {
    return waitStatus ? describeEnd(*waitStatus) : "ended";
}

void collectPostMortem(SpawnReport &report, const FailedProcess &process, bool contactWasLost) {
    report.output = process.output.lastLines();
    try {
        if (report.timedOut) {
            report.threads = askWhereItHangs(process);
            return;
        }
        if (contactWasLost && (!process.pidFd || waitPidFd(process.pidFd, END_LIMIT))) {
            report.waitStatus = readWaitStatus(process.waitStatus, END_LIMIT);
        }
    } catch (const std::exception &error) {
        Log::warn("event=spawn.last_words_failed error=\"{}\"", error.what());
    }
    report.output = process.output.lastLines();
}

}  // namespace Passenger
