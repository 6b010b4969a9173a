#include "agent/InstanceFacts.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <exception>
#include <utility>

#include "base/CpuTime.h"
#include "base/ProcessTree.h"
#include "log/Log.h"

namespace Passenger {

namespace {

/** The least time between two rounds while figures are asked for, and the time otherwise. */
constexpr std::chrono::seconds ASKED_INTERVAL{5};
constexpr std::chrono::seconds QUIET_INTERVAL{300};
constexpr int PARTS_OF_THE_TIME = 20;

bool isOver(const FileDescriptor &ending, std::chrono::milliseconds wait) {
    pollfd entry{ending.get(), POLLIN, 0};
    return ::poll(&entry, 1, static_cast<int>(wait.count())) > 0;
}

}  // namespace

InstanceFacts::InstanceFacts(Parts parts) : parts_(std::move(parts)), wake_(makeEventDescriptor()) {
    thread_.start("facts", [this](const FileDescriptor &ending) { run(ending); });
}

InstanceFacts::~InstanceFacts() {
    thread_.end();
}

InstanceFacts::Facts InstanceFacts::of(pid_t pid) {
    const LockGuard guard(mutex_);
    if (!std::exchange(asked_, true)) {
        setEvent(wake_);
    }
    const auto found = facts_.find(pid);
    return found == facts_.end() ? Facts() : found->second;
}

std::chrono::milliseconds InstanceFacts::pauseAfter(std::chrono::nanoseconds round) {
    using std::chrono::milliseconds;
    // A round is also long where the machine is busy.
    return std::clamp<milliseconds>(std::chrono::duration_cast<milliseconds>(round * PARTS_OF_THE_TIME), ASKED_INTERVAL,
                                    QUIET_INTERVAL);
}

void InstanceFacts::run(const FileDescriptor &ending) {
    std::chrono::steady_clock::time_point begin;
    do {
        begin = std::chrono::steady_clock::now();
        try {
            measure(ending);
        } catch (const std::exception &error) {
            Log::warn("event=memory.unknown pid=0 error=\"{}\"", error.what());
        }
    } while (!isOver(ending, pauseAfter(std::chrono::steady_clock::now() - begin)) && awaitRound(ending));
}

/** Waits until somebody asks, or for the next round without that. False: the thread is to end. */
bool InstanceFacts::awaitRound(const FileDescriptor &ending) {
    std::array<pollfd, 2> entries{{{ending.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}}};
    ::poll(entries.data(), entries.size(), static_cast<int>(std::chrono::milliseconds(QUIET_INTERVAL).count()));
    clearEvent(wake_);
    const LockGuard guard(mutex_);
    asked_ = false;
    return entries[0].revents == 0;
}

void InstanceFacts::measure(const FileDescriptor &ending) {
    std::map<pid_t, Facts> facts;
    for (const Instance &instance : parts_.instances()) {
        if (isOver(ending, std::chrono::milliseconds(0))) {
            return;
        }
        Facts &fresh = facts[instance.pid];
        fresh.memory = parts_.measure(instance).value_or(ProcessMemory());
        fresh.cpuTime = cpuTimeOf(instance.pid).value_or(std::chrono::nanoseconds(0));
        fresh.processAge = ageOf(instance.pid);
        if (instance.family) {
            fresh.application = applicationOf(instance.pid);
            for (const pid_t descendant : descendantsOf(instance.pid)) {
                fresh.cpuTime += cpuTimeOf(descendant).value_or(std::chrono::nanoseconds(0));
            }
        }
        const LockGuard guard(mutex_);
        facts_[instance.pid] = fresh;
    }
    const LockGuard guard(mutex_);
    facts_ = std::move(facts);
}

}  // namespace Passenger
