#include "agent/ControlOrders.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "control/ControlVerbs.h"
#include "io/ReportFrame.h"
#include "log/Log.h"
#include "log/RecentEvents.h"
#include "rights/Rights.h"
#include "server/PoolStatus.h"
#include "shm/SharedMemory.h"

namespace Passenger {

namespace {

using std::chrono::milliseconds;
using std::chrono::system_clock;

/** Answers within this time tell the same state, so that askers do not cost the pool much. */
constexpr milliseconds SAME_STATE{100};
/** The lengths of points: of one application, and of all. */
constexpr std::chrono::minutes QUARTER{15};
constexpr std::chrono::minutes HOUR{60};
/** The time for measuring instances that were not measured lately. */
constexpr milliseconds MEASURING{50};
constexpr milliseconds TICK_MEASURING{200};

double secondsSinceEpoch(system_clock::time_point time) {
    return std::chrono::duration<double>(time.time_since_epoch()).count();
}

std::optional<std::uint64_t> memoryOf(pid_t pid, bool family) {
    try {
        return Rights::ofThisProcess().memoryOf(pid, family);
    } catch (const std::exception &) {
        // The instance has ended.
        return std::nullopt;
    }
}

/** A memory file, since an answer may be longer than a frame. */
Frame inMemory(const std::string &text) {
    SharedMemory memory("passenger-status", text.size());
    memory.write(text.data(), text.size(), 0);
    Frame answer(FrameType::ORDER_DONE, {std::to_string(text.size())});
    answer.descriptors.push_back(memory.readOnlyDescriptor());
    return answer;
}

/** Whether the asker may order anything. */
bool isMaster(const Asker &asker) {
    return !asker.isHttpd && (asker.uid == 0 || asker.uid == ::geteuid());
}

Frame done() {
    return Frame(FrameType::ORDER_DONE);
}

}  // namespace

ControlOrders::ControlOrders(Parts parts) : parts_(std::move(parts)), facts_(memoryOf) {}

Frame ControlOrders::answer(const Asker &asker, const Frame &order) {
    if (order.type != FrameType::ORDER) {
        throw ProtocolException(fmt::format("a frame of type {} is no order", static_cast<int>(order.type)));
    }
    const std::string &verb = order.field(0);
    if (verb == ControlVerb::STATUS) {
        return status(asker, order.field(1));
    }
    if (asker.isHttpd) {
        throw IOException("a child of httpd may ask for the status only");
    }
    if (verb == ControlVerb::REPORT) {
        return report(asker, order.field(1));
    }
    if (verb == ControlVerb::RESTART) {
        return restart(asker, order.field(1));
    }
    if (verb == ControlVerb::DETACH) {
        return detach(asker, static_cast<pid_t>(order.number(1)));
    }
    if (verb == ControlVerb::DRAIN) {
        return drain(asker, order.field(1), order.number(2) != 0);
    }
    if (verb == ControlVerb::REOPEN_LOGS) {
        return reopenLogs(asker);
    }
    throw IOException("there is no order \"" + verb + "\"");
}

void ControlOrders::tick() {
    const auto now = system_clock::now();
    facts_.begin(TICK_MEASURING);
    std::set<std::string> names;
    for (const GroupSnapshot &group : applications()) {
        Known &known = known_.try_emplace(group.name, Known{secondsSinceEpoch(now), {}, {}}).first->second;
        known.history.add(now, group.queueTime, group.serviceTime);
        for (const ProcessSnapshot &process : group.processes) {
            facts_.of(process.pid, process.hasDescendants);
        }
        names.insert(group.name);
    }
    facts_.forgetOld();
    std::erase_if(known_, [&names](const auto &entry) { return !names.contains(entry.first); });
}

const ControlOrders::Applications &ControlOrders::applications() {
    const auto now = std::chrono::steady_clock::now();
    if (now - snapshotAt_ < SAME_STATE) {
        return snapshot_;
    }
    PoolSnapshot pool = parts_.pool.inspect();
    waitingForRoom_ = pool.waitingForRoom;
    poolSize_ = pool.size;
    maxPoolSize_ = pool.maxSize;
    snapshot_.clear();
    for (SuperGroupSnapshot &superGroup : pool.superGroups) {
        std::move(superGroup.groups.begin(), superGroup.groups.end(), std::back_inserter(snapshot_));
    }
    snapshotAt_ = std::chrono::steady_clock::now();
    return snapshot_;
}

Frame ControlOrders::status(const Asker &asker, const std::string &name) {
    const auto now = system_clock::now();
    ServerStatus status = parts_.server();
    facts_.begin(MEASURING);
    for (const GroupSnapshot &group : applications()) {
        if ((name.empty() || name == group.name) && (asker.isHttpd || owns(asker, group.name))) {
            status.apps.push_back(describe(group, now, !name.empty()));
        }
    }
    status.now = secondsSinceEpoch(now);
    status.maxPoolSize = maxPoolSize_;
    status.poolSize = poolSize_;
    status.waitingForRoom = waitingForRoom_;
    status.draining = allDrain_;
    return inMemory(toJson(status));
}

/** @param whole with its events, and with points for each quarter of an hour */
AppStatus ControlOrders::describe(const GroupSnapshot &group, system_clock::time_point now, bool whole) {
    AppStatus status = statusOf(group);
    Known &known = known_.try_emplace(group.name, Known{secondsSinceEpoch(now), {}, {}}).first->second;
    // What came since the last tick.
    known.history.add(now, group.queueTime, group.serviceTime);
    status.since = known.since;
    status.windows = known.history.windows(now);
    status.points = known.history.points(now, whole ? QUARTER : HOUR);
    status.draining = allDrain_ || draining_.contains(group.name);
    if (known.user) {
        status.user = known.user->user;
        status.uid = known.user->switches() ? known.user->uid : ::geteuid();
    }
    for (std::size_t i = 0; i < group.processes.size(); i++) {
        const auto facts = facts_.of(group.processes[i].pid, group.processes[i].hasDescendants);
        InstanceStatus &instance = status.instances[i];
        instance.memory = facts.memory != 0 ? facts.memory : instance.memory;
        instance.cpuTime = std::chrono::duration<double>(facts.cpuTime).count();
    }
    if (whole) {
        for (RecentEvents::Event &event : Log::recentEvents().of(group.name)) {
            status.events.push_back({secondsSinceEpoch(event.at), std::move(event.name), std::move(event.text)});
        }
    }
    return status;
}

/** Asks the pool for the application's options, since the user may depend on files. Nothing: there
 *  is no such application, or its user is unknown. */
const std::optional<RunAs> &ControlOrders::userOf(const std::string &name) {
    static const std::optional<RunAs> unknown;
    const auto found = known_.find(name);
    if (found != known_.end() && found->second.user) {
        return found->second.user;
    }
    const auto options = parts_.pool.optionsOf(name);
    if (!options) {
        return unknown;
    }
    Known &known = known_.try_emplace(name, Known{secondsSinceEpoch(system_clock::now()), {}, {}}).first->second;
    if (auto user = parts_.userOf(*options)) {
        known.user = std::move(*user);
    }
    return known.user;
}

bool ControlOrders::owns(const Asker &asker, const std::string &name) {
    const std::optional<RunAs> &user = userOf(name);
    if (isMaster(asker)) {
        return true;
    }
    return user && user->switches() && user->uid == asker.uid;
}

/** @throws IOException if the asker may not order anything about the application */
void ControlOrders::demand(const Asker &asker, const std::string &name) {
    // Whoever may not know whether there is such an application learns nothing about that, either.
    if (!owns(asker, name) || !parts_.pool.optionsOf(name)) {
        throw IOException(fmt::format(
            "no application \"{}\" runs, or it belongs to another user: passenger-status lists yours", name));
    }
}

Frame ControlOrders::report(const Asker &asker, const std::string &id) {
    const auto report = parts_.pool.report(id);
    if (!report || !(isMaster(asker) || owns(asker, report->app))) {
        throw IOException(fmt::format(
            "there is no report {} of an application of yours, or not any more: httpd's error log has \"report={}\"",
            id, id));
    }
    Frame answer = done();
    addReport(answer, *report);
    return answer;
}

Frame ControlOrders::restart(const Asker &asker, const std::string &name) {
    demand(asker, name);
    Log::notice("event=app.restart_ordered app=\"{}\" uid={}", name, asker.uid);
    parts_.pool.restart(name);
    return done();
}

Frame ControlOrders::detach(const Asker &asker, pid_t pid) {
    for (const GroupSnapshot &group : applications()) {
        const auto found = std::find_if(group.processes.begin(), group.processes.end(),
                                        [pid](const ProcessSnapshot &process) { return process.pid == pid; });
        if (found != group.processes.end() && owns(asker, group.name)) {
            Log::notice("event=instance.detach_ordered app=\"{}\" pid={} uid={}", group.name, pid, asker.uid);
            parts_.pool.detach(found->id);
            return done();
        }
    }
    throw IOException(
        fmt::format("process {} is no instance of an application of yours: passenger-status lists them", pid));
}

Frame ControlOrders::drain(const Asker &asker, const std::string &name, bool drains) {
    if (name.empty()) {
        if (!isMaster(asker)) {
            throw IOException("only root and the agent's own user may drain the whole server");
        }
        allDrain_ = drains;
        draining_.clear();
    } else {
        demand(asker, name);
        if (drains) {
            draining_.insert(name);
        } else {
            draining_.erase(name);
        }
    }
    Log::notice("event={} app=\"{}\" uid={}", drains ? "health.drained" : "health.undrained", name, asker.uid);
    return done();
}

Frame ControlOrders::reopenLogs(const Asker &asker) {
    if (!isMaster(asker)) {
        throw IOException("only root and the agent's own user may reopen the logs");
    }
    parts_.reopenLogs();
    return done();
}

}  // namespace Passenger
