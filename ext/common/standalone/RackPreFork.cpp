#include "standalone/RackPreFork.h"

#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/Exceptions.h"
#include "base/FileContent.h"
#include "base/PassengerRoot.h"
#include "base/SystemClock.h"
#include "log/Log.h"

namespace Passenger {

namespace {

constexpr std::chrono::milliseconds BOOT_TIMEOUT = std::chrono::minutes(2);
/** Each worker reads all places many times a second. */
constexpr std::size_t MOST_PLACES = 1024;
/** A change of the workers' arguments, words or shared memory changes it, also in WORKER. */
constexpr int PROTOCOL = 1;
constexpr const char *WORKER = "lib/passenger/http/prefork_worker.rb";

double secondsSince(MonotonicTime time) {
    return inSeconds(SystemClock::instance().now() - time);
}

ProgramLauncher::CommandMaker commandMaker(const StandaloneOptions &options, const ListeningSockets &sockets,
                                           const WorkerLoads &loads) {
    // The function runs on the loop, once for each worker.
    return [options, &sockets, &loads, program = passengerRootWith(WORKER) + "/" + WORKER] {
        ChildProcess::Command command;
        command.program = options.ruby;
        // A signal of the application to its process group (`kill 0`) does not reach the monitor. A
        // session would be a scheduling group, too (sched(7), autogroup).
        command.newGroup = true;
        const auto numbers = sockets.descriptors();
        for (const int number : numbers) {
            command.descriptors.emplace_back(number, number);
        }
        const auto queue = sockets.queue();
        for (const int end : queue) {
            command.descriptors.emplace_back(end, end);
        }
        const int shared = loads.descriptor().get();
        command.descriptors.emplace_back(shared, shared);
        const auto acknowledge = inSeconds(sockets.ackInterval());
        command.arguments = {program,
                             fmt::format("protocol={}", PROTOCOL),
                             fmt::format("listeners={}", fmt::join(numbers, ",")),
                             fmt::format("queue={}", fmt::join(queue, ",")),
                             fmt::format("loads={}", shared),
                             fmt::format("app_root={}", options.appRoot),
                             fmt::format("startup_file={}", options.rackup),
                             fmt::format("environment={}", options.environment),
                             fmt::format("acknowledge={}", acknowledge),
                             fmt::format("idle_timeout={}", options.keepAlive),
                             fmt::format("request_timeout={}", options.requestTimeout),
                             fmt::format("answer_timeout={}", options.answerTimeout)};
        return command;
    };
}

/** Reads the worker's title: "Passenger prefork worker: /srv/blog (17 requests)". */
std::string requestsOf(pid_t pid) {
    constexpr std::size_t MOST = 4096;
    const std::string title = fileContent(fmt::format("/proc/{}/cmdline", pid), MOST);
    const auto open = title.rfind('(');
    const auto end = title.find(" requests)", open == std::string::npos ? 0 : open);
    return open == std::string::npos || end == std::string::npos ? "0" : title.substr(open + 1, end - open - 1);
}

/** The kernel kills so if memory is short. */
bool killedFromOutside(int status) {
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

}  // namespace

PreForkSettings RackPreFork::settingsFrom(const StandaloneOptions &options, std::shared_ptr<ListeningSockets> sockets) {
    PreForkSettings settings;
    settings.server = std::move(sockets);
    settings.limits = options.limits;
    settings.timeout = options.timeout;
    // Loading an application may take longer than a request, but not for ever.
    settings.startTimeout = std::max(options.timeout, BOOT_TIMEOUT);
    settings.grace = options.grace;
    return settings;
}

RackPreFork::RackPreFork(const StandaloneOptions &options, std::shared_ptr<ListeningSockets> sockets,
                         std::function<void()> ready)
    // During a restart there may be twice as many workers.
    : RackPreFork(options, std::move(sockets),
                  std::make_shared<WorkerLoads>(std::min(2 * std::size_t{options.limits.maxClients}, MOST_PLACES)),
                  std::move(ready)) {}

RackPreFork::RackPreFork(const StandaloneOptions &options, std::shared_ptr<ListeningSockets> sockets,
                         std::shared_ptr<WorkerLoads> loads, std::function<void()> ready)
    : PreFork(settingsFrom(options, sockets), std::make_unique<ProgramLauncher>(commandMaker(options, *sockets, *loads),
                                                                                ProgramLauncher::Printing::APART)),
      sockets_(std::move(sockets)),
      loads_(std::move(loads)),
      whenReady_(std::move(ready)) {}

void RackPreFork::handlerShutdown() {
    sockets_->shutQueue();
    PreFork::handlerShutdown();
}

void RackPreFork::moveLimits(int by) {
    const auto count = counts();
    setLimits(movedLimits(limits(), count.free + count.starting, by));
    Log::notice("event=prefork.limits min_spare={} max_spare={}", limits().minSpare, limits().maxSpare);
}

SpareLimits RackPreFork::movedLimits(SpareLimits limits, unsigned spare, int by) {
    // Any number between the limits is right. So a step of one may change no worker.
    const unsigned wanted = std::clamp(spare, limits.minSpare, limits.maxSpare);
    if (by > 0) {
        const unsigned step = wanted + 1 - limits.minSpare;
        limits.maxSpare = std::min(limits.maxSpare + step, limits.maxClients);
        limits.minSpare = std::min(limits.minSpare + step, limits.maxSpare);
    } else {
        const unsigned step = limits.maxSpare - wanted + 1;
        limits.minSpare = std::max(limits.minSpare, step + 1) - step;
        limits.maxSpare = std::max(limits.maxSpare - step, limits.minSpare);
    }
    return limits;
}

std::vector<std::string> RackPreFork::status() const {
    const auto count = counts();
    std::vector<std::string> lines{
        fmt::format("workers={} free={} busy={} starting={} ending={} min_spare={} max_spare={} max_clients={}",
                    count.free + count.busy + count.starting, count.free, count.busy, count.starting, endingServers(),
                    limits().minSpare, limits().maxSpare, limits().maxClients)};
    for (const auto &[pid, worker] : freeServers()) {
        lines.push_back(describe(worker, worker.ready ? "free" : "starting"));
    }
    for (const auto &[pid, worker] : busyServers()) {
        lines.push_back(describe(worker, "busy"));
    }
    return lines;
}

std::string RackPreFork::describe(const WorkerSnapshot &worker, const char *state) const {
    const auto since = since_.find(worker.pid);
    return fmt::format("worker={} state={} since={:.1f}s age={:.1f}s requests={}", worker.pid, state,
                       secondsSince(since == since_.end() ? worker.startTime : since->second),
                       secondsSince(worker.startTime), requestsOf(worker.pid));
}

void RackPreFork::serverReady(Worker &worker) {
    PreFork::serverReady(worker);
    Log::notice("event=worker.ready pid={} booted_in={:.2f}s", worker.pid, secondsSince(worker.startTime));
    everReady_ = true;
    // From now on a worker that cannot be started is no reason to end those that serve.
    setShutdownOnError(false);
    loads_->enter(worker.pid);
    since_[worker.pid] = SystemClock::instance().now();
    tellReady();
}

/** A worker that ended before it was ready is not awaited. */
void RackPreFork::tellReady() {
    const auto count = counts();
    if (whenReady_ && !shuttingDown() && count.starting == 0 && count.free + count.busy > 0) {
        whenReady_();
    }
}

void RackPreFork::serverBusy(Worker &worker) {
    since_[worker.pid] = SystemClock::instance().now();
    PreFork::serverBusy(worker);
}

void RackPreFork::serverNotBusy(Worker &worker) {
    since_[worker.pid] = SystemClock::instance().now();
    PreFork::serverNotBusy(worker);
}

void RackPreFork::serverClosed(Worker &worker, int status) {
    PreFork::serverClosed(worker, status);
    since_.erase(worker.pid);
    loads_->leave(worker.pid);
    Log::notice("event=worker.ended pid={} {}", worker.pid, describeWaitStatus(status));
    // A restart ends workers that it replaces.
    if (!worker.told && (!killedFromOutside(status) || counts().starting == 0)) {
        noteFailedStart();
    }
    tellReady();
}

void RackPreFork::serverTimeout(Worker &worker) {
    PreFork::serverTimeout(worker);
    noteFailedStart();
}

void RackPreFork::noteFailedStart() {
    if (!everReady_ && !shuttingDown()) {
        bootFailed_ = true;
        shutdown();
    }
}

}  // namespace Passenger
