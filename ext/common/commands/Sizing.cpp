#include "commands/Sizing.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/ProcessMemory.h"
#include "commands/JsonResult.h"
#include "commands/Terminal.h"
#include "control/StatusWords.h"

namespace Passenger {

namespace {

using StatusWords::counted;

/** More instances or requests than any server has. */
constexpr std::uint64_t MOST = 1000000;
/** Nothing is planned for this part of the memory. */
constexpr unsigned RESERVE_DIVISOR = 5;
/** A request computes for a quarter of its time at least, by this assumption. */
constexpr unsigned REQUESTS_PER_CORE = 4;
/** The memory of a thread of httpd with a long body (doc/OPERATIONS.md, "Limits"). */
constexpr std::uint64_t THREAD_MEMORY = 256 * 1024;
/** One application's requests may hold seven eighths of httpd's threads. */
constexpr unsigned SHARE = 7;
constexpr unsigned WHOLE = 8;
/** Debian's ThreadsPerChild and MaxRequestWorkers. */
constexpr unsigned THREADS_PER_CHILD = 25;
constexpr unsigned USUAL_WORKERS = 150;
/** The default of PassengerMaxRequestQueueSize, for applications without a limit. */
constexpr unsigned USUAL_QUEUE = 100;

constexpr unsigned dividedUp(unsigned value, unsigned divisor) {
    return (value + divisor - 1) / divisor;
}

std::uint64_t inMegabytes(std::uint64_t bytes) {
    return (bytes + MEGABYTE / 2) / MEGABYTE;
}

std::string appTable(const Sizing &sizing) {
    std::string text =
        fmt::format("{:>10}  {:>9}  {:>8}  {:>7}  {}\n", "Private", "Instances", "Requests", "Queue", "Application");
    for (const SizingApp &app : sizing.apps()) {
        const std::string memory = app.privateMemory == 0 ? "?" : fmt::format("{} MB", inMegabytes(app.privateMemory));
        const std::string queue = app.queueLimit == 0 ? "no limit" : std::to_string(app.queueLimit);
        text += fmt::format("{:>10}  {:>9}  {:>8}  {:>7}  {}\n", memory, app.instances, app.concurrency, queue,
                            singleLine(app.name));
    }
    return text;
}

}  // namespace

Sizing::Sizing(SizingMachine machine, std::vector<SizingApp> apps) : machine_(machine), apps_(std::move(apps)) {
    machine_.cores = std::max(machine_.cores, 1U);
    for (SizingApp &app : apps_) {
        app.concurrency = std::max(app.concurrency, 1U);
    }
}

std::uint64_t Sizing::reserve() const noexcept {
    return machine_.memory / RESERVE_DIVISOR;
}

std::uint64_t Sizing::room() const noexcept {
    const std::uint64_t taken =
        reserve() + machine_.others + machine_.shared + workersFor(wantedPool()) * THREAD_MEMORY;
    return machine_.memory - std::min(machine_.memory, taken);
}

std::uint64_t Sizing::largestInstance() const noexcept {
    std::uint64_t largest = 1;
    for (const SizingApp &app : apps_) {
        largest = std::max(largest, app.privateMemory);
    }
    return largest;
}

unsigned Sizing::poolByCores() const noexcept {
    unsigned least = REQUESTS_PER_CORE;
    for (const SizingApp &app : apps_) {
        least = std::min(least, app.concurrency);
    }
    return std::max(machine_.cores, dividedUp(machine_.cores * REQUESTS_PER_CORE, least));
}

unsigned Sizing::poolByMemory() const noexcept {
    const std::uint64_t instances = std::min(room() / largestInstance(), MOST);
    return static_cast<unsigned>(std::max<std::uint64_t>(instances, 2) - 1);
}

unsigned Sizing::wantedPool() const noexcept {
    return std::max(poolByCores(), static_cast<unsigned>(apps_.size()));
}

unsigned Sizing::maxPoolSize() const noexcept {
    return std::min(wantedPool(), poolByMemory());
}

bool Sizing::memorySuffices() const noexcept {
    return room() / largestInstance() > apps_.size();
}

unsigned Sizing::mostConcurrency() const noexcept {
    unsigned most = 1;
    for (const SizingApp &app : apps_) {
        most = std::max(most, app.concurrency);
    }
    return most;
}

unsigned Sizing::requestsInWork() const noexcept {
    return maxPoolSize() * mostConcurrency();
}

unsigned Sizing::requestsWaiting() const noexcept {
    unsigned longest = 0;
    for (const SizingApp &app : apps_) {
        longest = std::max(longest, app.queueLimit == 0 ? USUAL_QUEUE : app.queueLimit);
    }
    return longest;
}

unsigned Sizing::workersFor(unsigned pool) const noexcept {
    const std::uint64_t requests = std::uint64_t{pool} * mostConcurrency() + requestsWaiting();
    const unsigned threads = dividedUp(static_cast<unsigned>(std::min(requests, MOST)) * WHOLE, SHARE);
    return std::max(USUAL_WORKERS, dividedUp(threads, THREADS_PER_CHILD) * THREADS_PER_CHILD);
}

unsigned Sizing::maxRequestWorkers() const noexcept {
    return workersFor(maxPoolSize());
}

std::string sizingForm(const Sizing &sizing, unsigned presentPool) {
    const SizingMachine &machine = sizing.machine();
    std::string text = fmt::format("Memory {} MB, {}\n\n{}\n", inMegabytes(machine.memory),
                                   counted(machine.cores, "core"), appTable(sizing));
    const std::string now = presentPool == 0 ? "" : fmt::format("    (now {})", presentPool);
    text += fmt::format("PassengerMaxPoolSize {}{}\n", sizing.maxPoolSize(), now);
    text += fmt::format("  {} keep {} busy, if a request computes for a quarter of its time\n",
                        counted(sizing.poolByCores(), "instance"), counted(machine.cores, "core"));
    if (sizing.apps().size() > sizing.poolByCores()) {
        text += fmt::format("  {} need one instance each\n", counted(sizing.apps().size(), "application"));
    }
    text += fmt::format("  {} fit into {} MB, at {} MB each, while one more takes another one's place\n",
                        counted(sizing.poolByMemory(), "instance"), inMegabytes(sizing.room()),
                        inMegabytes(sizing.largestInstance()));
    text += fmt::format(
        "  ({} MB, less a fifth in reserve, {} MB of other programs, {} MB of httpd, the agent and\n"
        "  shared pages, and a quarter of a MB for each thread of httpd)\n",
        inMegabytes(machine.memory), inMegabytes(machine.others), inMegabytes(machine.shared));
    if (!sizing.memorySuffices()) {
        text += fmt::format(
            "  The memory is too small for {}: instances end to make room for others. Add\n"
            "  memory, or move an application to another machine\n",
            counted(sizing.apps().size(), "application"));
    }
    text += fmt::format("MaxRequestWorkers {}\n", sizing.maxRequestWorkers());
    text += fmt::format("  {} in work and {} in the queue of one application are seven eighths of it at most\n",
                        counted(sizing.requestsInWork(), "request"), sizing.requestsWaiting());
    return text + "  add one for each WebSocket and each event stream that holds a thread\n";
}

std::string sizingJson(const Sizing &sizing, unsigned presentPool) {
    const SizingMachine &machine = sizing.machine();
    auto apps = nlohmann::ordered_json::array();
    for (const SizingApp &app : sizing.apps()) {
        apps.push_back({{"name", app.name},
                        {"instances", app.instances},
                        {"private_memory", app.privateMemory},
                        {"concurrency", app.concurrency},
                        {"queue_limit", app.queueLimit}});
    }
    const nlohmann::ordered_json document = {{"max_pool_size", sizing.maxPoolSize()},
                                             {"max_request_workers", sizing.maxRequestWorkers()},
                                             {"present_max_pool_size", presentPool},
                                             {"pool_by_cores", sizing.poolByCores()},
                                             {"pool_by_memory", sizing.poolByMemory()},
                                             {"memory_suffices", sizing.memorySuffices()},
                                             {"requests_in_work", sizing.requestsInWork()},
                                             {"requests_waiting", sizing.requestsWaiting()},
                                             {"memory", machine.memory},
                                             {"cores", machine.cores},
                                             {"memory_of_others", machine.others},
                                             {"memory_shared", machine.shared},
                                             {"memory_reserve", sizing.reserve()},
                                             {"memory_room", sizing.room()},
                                             {"largest_instance", sizing.largestInstance()},
                                             {"apps", apps}};
    return JsonResult::text(document);
}

}  // namespace Passenger
