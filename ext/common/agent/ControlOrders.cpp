#include "agent/ControlOrders.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "agent/AppName.h"
#include "base/Exceptions.h"
#include "base/Json.h"
#include "control/ControlVerbs.h"
#include "io/ReportFrame.h"
#include "log/Log.h"
#include "log/RecentEvents.h"
#include "pool/QueuePauses.h"
#include "rights/Rights.h"

namespace Passenger {

namespace {

using std::chrono::milliseconds;
using std::chrono::system_clock;

/** Answers within this time tell the same state, so that askers do not cost the pool much. */
constexpr milliseconds SAME_STATE{100};
/** The age of figures of instances from which on they are measured again: while somebody asks for
 *  them, and otherwise. */
constexpr std::chrono::seconds ASKED_FIGURES{5};
constexpr std::chrono::minutes OLDEST_FIGURES{5};
/** The lengths of points: of one application, and of all. */
constexpr std::chrono::minutes QUARTER_OF_AN_HOUR{15};
constexpr std::chrono::minutes HOUR{60};
/** The shortest time between two ends of the silences of files, which last at least as long. */
constexpr std::chrono::minutes SILENCES_PAUSE{1};
constexpr std::uint64_t LONGEST_PAUSE = std::chrono::seconds(QueuePauses::LONGEST).count();
/** Requests of an application in a status. */
constexpr std::size_t MOST_REQUESTS = 500;
constexpr std::uint64_t MOST_WEIGHT = 100;
constexpr std::size_t LONGEST_QUESTION = 4096;

/** Whether the asker may order anything. */
bool isMaster(const Asker &asker) {
    return !asker.isHttpd && (asker.uid == 0 || asker.uid == ::geteuid());
}

/** The user whose answers may not fill the memory. Nothing: root, or a child of httpd. */
std::optional<uid_t> limitedUser(const Asker &asker) {
    return asker.isHttpd || isMaster(asker) ? std::nullopt : std::optional(asker.uid);
}

[[noreturn]] void refuseUnknown(const std::string &name) {
    throw IOException(
        fmt::format("no application \"{}\" runs, or it belongs to another user: passenger-status lists yours", name));
}

Frame done() {
    return Frame(FrameType::ORDER_DONE);
}

}  // namespace

ControlOrders::ControlOrders(Parts parts, const std::string &drains) : parts_(std::move(parts)), drains_(drains) {}

Frame ControlOrders::answer(const Asker &asker, const Frame &order) {
    if (order.type != FrameType::ORDER) {
        throw ProtocolException(fmt::format("a frame of type {} is no order", static_cast<int>(order.type)));
    }
    const std::string &verb = order.field(0);
    if (verb == ControlVerb::STATUS) {
        return status(asker, storedName(order.field(1)), order.fields.size() > 2 ? order.field(2) : "");
    }
    if (asker.isHttpd && verb == ControlVerb::KEPT) {
        return Frame(FrameType::ORDER_DONE, {drains_.note(), parts_.pool.pausesNote()});
    }
    if (asker.isHttpd) {
        throw IOException("a child of httpd may ask for the status only");
    }
    if (verb == ControlVerb::THREADS) {
        return threads(asker, storedName(order.field(1)), order.number(2) != 0);
    }
    if (verb == ControlVerb::REPORT) {
        return report(asker, order.field(1));
    }
    if (verb == ControlVerb::RESTART) {
        return restart(asker, storedName(order.field(1)));
    }
    if (verb == ControlVerb::PAUSE) {
        return pause(asker, storedName(order.field(1)), order.number(2));
    }
    if (verb == ControlVerb::RESUME) {
        return resume(asker, storedName(order.field(1)));
    }
    if (verb == ControlVerb::DETACH) {
        return detach(asker, static_cast<pid_t>(order.number(1)));
    }
    if (verb == ControlVerb::DRAIN) {
        return drain(asker, storedName(order.field(1)), order.number(2) != 0);
    }
    if (verb == ControlVerb::WEIGHT) {
        return weight(asker, order.field(1), order.number(2));
    }
    if (verb == ControlVerb::REOPEN_LOGS) {
        return reopenLogs(asker);
    }
    throw IOException("there is no order \"" + verb + "\"");
}

void ControlOrders::Known::note(system_clock::time_point now, const GroupSnapshot &group) {
    history.add(now, group.queueTimes, group.serviceTimes);
    const bool busy = std::any_of(group.processes.begin(), group.processes.end(),
                                  [](const ProcessSnapshot &process) { return process.busyFor > 0; });
    if (busy || group.counters.requests != std::exchange(requests, group.counters.requests)) {
        lastUsed = secondsSinceEpoch(now);
    }
}

/** An application that was forgotten and asked for again between two looks is another Group. */
ControlOrders::Known &ControlOrders::known(const GroupSnapshot &group, system_clock::time_point now) {
    Known &known = known_[group.name];
    if (known.madeAt != group.madeAt) {
        known = Known{};
        known.madeAt = group.madeAt;
        known.since = secondsSinceEpoch(now) - inSeconds(parts_.pool.clock().now() - group.madeAt);
    }
    return known;
}

/** The name of the application that an asker knows by the JSON of a status: invalid UTF-8 became
 *  U+FFFD there. */
std::string ControlOrders::storedName(const std::string &shown) {
    constexpr const char *REPLACEMENT = "\xef\xbf\xbd";
    if (shown.find(REPLACEMENT) == std::string::npos) {
        return shown;
    }
    for (const GroupSnapshot &group : applications()) {
        if (jsonText(group.name) == shown) {
            return group.name;
        }
    }
    return shown;
}

void ControlOrders::tick() {
    parts_.pool.refreshFigures(OLDEST_FIGURES);
    const auto now = system_clock::now();
    std::set<std::string> names;
    for (const GroupSnapshot &group : applications()) {
        known(group, now).note(now, group);
        names.insert(group.name);
    }
    std::erase_if(known_, [&names](const auto &entry) { return !names.contains(entry.first); });
    if (drains_.noteOwners([this](const std::string &name) { return ownerOf(name); })) {
        parts_.keepDrains(drains_.note());
    }
    parts_.resources.keepApps([&names](const std::string &name) { return names.contains(name); });
}

const ControlOrders::Applications &ControlOrders::applications() {
    const auto now = std::chrono::steady_clock::now();
    if (now - snapshotAt_ < SAME_STATE) {
        return snapshot_;
    }
    server_ = parts_.server();
    // First: an orphan that is taken over meanwhile is in both, and the applications are not older
    // than the end of the first starts.
    server_.warmingUp = parts_.warmingUp();
    orphans_ = parts_.pool.orphans();
    PoolSnapshot pool = parts_.pool.inspect();
    server_.waitingForRoom = pool.waitingForRoom;
    server_.appsForgotten = pool.forgotten;
    server_.appsRefused = pool.withoutSlot;
    server_.poolSize = pool.size + static_cast<unsigned>(orphans_.size());
    server_.maxPoolSize = pool.maxSize;
    server_.memoryBudget = pool.memoryBudget;
    server_.memoryUsed = pool.memoryUsed;
    snapshot_ = std::move(pool.groups);
    snapshotAt_ = std::chrono::steady_clock::now();
    return snapshot_;
}

Frame ControlOrders::status(const Asker &asker, const std::string &name, const std::string &detail) {
    const auto now = system_clock::now();
    const Applications &groups = applications();
    ServerStatus status = server_;
    const bool health = detail == ControlVerb::HEALTH;
    const bool present = health || detail == ControlVerb::FIGURES;
    const Detail past = present ? Detail::NOTHING : name.empty() ? Detail::HOURS : Detail::WHOLE;
    for (const GroupSnapshot &group : groups) {
        if ((name.empty() || name == group.name) && (asker.isHttpd || owns(asker, group.name))) {
            AppStatus &app = status.apps.emplace_back(describe(group, now, past));
            if (health && group.failing) {
                parts_.pool.tryAgain(group.name);
            }
            if (detail == ControlVerb::WITH_REQUESTS || !name.empty()) {
                app.requests = requestsOf(group.name, !asker.isHttpd);
            }
        }
    }
    if (!health && !status.apps.empty()) {
        parts_.pool.refreshFigures(ASKED_FIGURES);
    }
    for (AppStatus &left : unknownToPool(groups)) {
        if ((name.empty() || name == left.name) && (asker.isHttpd || owns(asker, left.name))) {
            status.apps.push_back(std::move(left));
        }
    }
    status.now = secondsSinceEpoch(now);
    status.draining = drains_.all();
    const bool serves = !name.empty() && !status.apps.empty() && !status.apps.front().instances.empty();
    status.warmingUp = server_.warmingUp && !serves;
    return answers_.answer(limitedUser(asker), toJson(status));
}

/** The applications that drain, are paused, or that an earlier pool process has left, before their
 *  next request. Orders about them are possible. */
std::vector<AppStatus> ControlOrders::unknownToPool(const Applications &groups) const {
    std::map<std::string, AppStatus> unknown;
    for (const auto &[name, owner] : drains_.apps()) {
        unknown[name];
    }
    for (const auto &[name, left] : parts_.pool.pauses()) {
        unknown[name].queue.pausedFor = inSeconds(left);
    }
    for (const OrphanSnapshot &orphan : orphans_) {
        InstanceStatus &instance = unknown[orphan.app].instances.emplace_back();
        instance.pid = orphan.pid;
        instance.state = orphan.waits ? "standby" : "draining";
        instance.adopted = true;
        instance.sessions = orphan.sessions;
    }
    for (const GroupSnapshot &group : groups) {
        unknown.erase(group.name);
    }
    std::vector<AppStatus> all;
    all.reserve(unknown.size());
    for (auto &[name, app] : unknown) {
        app.name = name;
        app.since = server_.since;
        const AppName parts(name);
        app.root = parts.root();
        app.environment = parts.environment();
        app.state = nameOf(app.queue.pausedFor > 0 ? GroupState::PAUSED : GroupState::DOWN);
        app.draining = drains_.contains(name);
        all.push_back(std::move(app));
    }
    return all;
}

AppStatus ControlOrders::describe(const GroupSnapshot &group, system_clock::time_point now, Detail detail) {
    AppStatus status = group;
    Known &known = this->known(group, now);
    // What came since the last tick.
    known.note(now, group);
    status.since = known.since;
    status.lastUsed = known.lastUsed;
    if (detail != Detail::NOTHING) {
        status.windows = known.history.windows(now);
        status.points = known.history.points(now, detail == Detail::WHOLE ? QUARTER_OF_AN_HOUR : HOUR);
    }
    status.draining = drains_.contains(group.name);
    const CgroupEvents limited = parts_.resources.groups.eventsOf(group.name);
    status.counters.memoryKills = limited.memoryKills;
    status.counters.memoryReached = limited.memoryReached;
    status.counters.tasksRefused = limited.tasksRefused;
    if (const auto user = parts_.resources.appUsers.of(group.name)) {
        status.user = user->user;
        status.uid = user->switches() ? user->uid : ::geteuid();
    }
    for (const ProcessSnapshot &process : group.processes) {
        InstanceStatus &instance = status.instances.emplace_back(process);
        if (const auto &ago = process.unusedFor) {
            instance.lastUsed = secondsSinceEpoch(now) - inSeconds(*ago);
        }
    }
    if (detail == Detail::WHOLE) {
        for (RecentEvents::Event &event : Log::recentEvents().of(group.name)) {
            status.events.push_back({secondsSinceEpoch(event.at), std::move(event.name), std::move(event.text)});
        }
    }
    return status;
}

/** @param queries whether the URLs have their queries, in which secrets of clients may be */
std::vector<RequestStatus> ControlOrders::requestsOf(const std::string &name, bool queries) const {
    std::vector<RequestStatus> requests = parts_.pool.requests(name, MOST_REQUESTS);
    for (RequestStatus &request : requests) {
        if (!queries) {
            request.uri.resize(std::min(request.uri.find('?'), request.uri.size()));
        }
    }
    return requests;
}

bool ControlOrders::owns(const Asker &asker, const std::string &name) const {
    return isMaster(asker) || ownerOf(name) == asker.uid;
}

/** Of an application that this pool process has not started, the owner is known by instances that
 *  an earlier one has left, or by a drain. */
std::optional<uid_t> ControlOrders::ownerOf(const std::string &name) const {
    if (const auto user = parts_.resources.appUsers.of(name)) {
        return user->switches() ? std::optional(user->uid) : std::nullopt;
    }
    const auto orphan = std::ranges::find_if(
        orphans_, [&name](const OrphanSnapshot &instance) { return instance.user && instance.app == name; });
    return orphan != orphans_.end() ? orphan->user : drains_.ownerOf(name);
}

/** @throws IOException if the asker may not order anything about the application. An asker that may
 *  not know whether there is such an application learns nothing about that, either. */
void ControlOrders::demand(const Asker &asker, const std::string &name) {
    if (!isMaster(asker) && !parts_.resources.appUsers.of(name)) {
        applications();  // The instances that an earlier pool process has left may tell the owner.
    }
    if (!owns(asker, name)) {
        refuseUnknown(name);
    }
}

Frame ControlOrders::threads(const Asker &asker, const std::string &name, bool ask) {
    demand(asker, name);
    if (ask) {
        if (!parts_.pool.askForThreads(name)) {
            refuseUnknown(name);
        }
        return done();
    }
    std::string list;
    for (const ThreadsSnapshot &instance : parts_.pool.threads(name)) {
        list += fmt::format("{}{{\"pid\":{},\"answered\":{},\"text\":{}}}", list.empty() ? "" : ",", instance.pid,
                            instance.answered, jsonString(instance.text));
    }
    return answers_.answer(limitedUser(asker), "[" + list + "]");
}

Frame ControlOrders::report(const Asker &asker, const std::string &id) {
    const auto report = parts_.pool.report(id);
    if (!report || !owns(asker, report->app)) {
        throw IOException(fmt::format(
            "there is no report {} of an application of yours, or not any more: httpd's error log has \"report={}\"",
            id, id));
    }
    Frame answer = done();
    addReport(answer, *report);
    return answer;
}

/** @param order whether the pool has done it; false: it does not know the application
 *  @throws IOException */
void ControlOrders::carryOut(const Asker &asker, const std::string &name, const std::function<bool()> &order) {
    demand(asker, name);
    if (!order()) {
        refuseUnknown(name);
    }
    snapshotAt_ = {};
}

Frame ControlOrders::restart(const Asker &asker, const std::string &name) {
    // Instances of an earlier pool process may wait for their application, which the pool does not
    // know yet. One that only drains or is paused has no instance: its next request starts the new
    // version.
    carryOut(asker, name, [&] {
        return parts_.pool.restart(name) || drains_.apps().contains(name) || parts_.pool.pauses().contains(name);
    });
    // Each question about files that hang could leave another process behind. An owner could do
    // that at will, and a script of root orders a restart of each application.
    const auto now = std::chrono::steady_clock::now();
    if (isMaster(asker) && now >= silencesStayUntil_) {
        silencesStayUntil_ = now + SILENCES_PAUSE;
        Rights::ofThisProcess().endSilences();
    }
    Log::notice("event=app.restart_ordered app=\"{}\" uid={}", name, asker.uid);
    return done();
}

Frame ControlOrders::pause(const Asker &asker, const std::string &name, std::uint64_t seconds) {
    carryOut(asker, name, [&] {
        if (seconds < 1 || seconds > LONGEST_PAUSE) {
            throw IOException(
                fmt::format("a pause of {} seconds is not possible: 1 to {} are", seconds, LONGEST_PAUSE));
        }
        return parts_.pool.pause(name, std::chrono::seconds(seconds));
    });
    Log::notice("event=queue.pause_ordered app=\"{}\" seconds={} uid={}", name, seconds, asker.uid);
    return done();
}

Frame ControlOrders::resume(const Asker &asker, const std::string &name) {
    carryOut(asker, name, [&] { return parts_.pool.resume(name); });
    Log::notice("event=queue.resume_ordered app=\"{}\" uid={}", name, asker.uid);
    return done();
}

Frame ControlOrders::detach(const Asker &asker, pid_t pid) {
    for (const GroupSnapshot &group : applications()) {
        const auto found = std::find_if(group.processes.begin(), group.processes.end(),
                                        [pid](const ProcessSnapshot &process) { return process.pid == pid; });
        if (found != group.processes.end() && owns(asker, group.name) && parts_.pool.detach(found->id)) {
            Log::notice("event=instance.detach_ordered app=\"{}\" pid={} uid={}", group.name, pid, asker.uid);
            return done();
        }
    }
    throw IOException(
        fmt::format("process {} is no instance that serves an application of yours: passenger-status lists them", pid));
}

Frame ControlOrders::drain(const Asker &asker, const std::string &name, bool drains) {
    // An order that changes nothing is not worth a line: scripts repeat it.
    bool changed = true;
    if (name.empty()) {
        if (!isMaster(asker)) {
            throw IOException("only root and the agent's own user may drain the whole server");
        }
        // An application that its owner has drained is not for others to send requests to.
        changed = drains_.drainAll(drains);
    } else {
        demand(asker, name);
        if (!drains && drains_.all()) {
            throw IOException(
                "the whole server drains, with all its applications: `passenger-config undrain --all` ends that");
        }
        changed = drains ? drains_.begin(name, ownerOf(name), limitedUser(asker)) : drains_.end(name);
    }
    if (!changed) {
        return done();
    }
    parts_.keepDrains(drains_.note());
    Log::notice("event={} app=\"{}\" uid={}", drains ? "health.drained" : "health.undrained", name, asker.uid);
    return done();
}

/** Each user has own questions. All users share the places for them: one that is forgotten begins
 *  anew, with the weight as it is measured. */
Frame ControlOrders::weight(const Asker &asker, const std::string &question, std::uint64_t measured) {
    if (measured > MOST_WEIGHT || question.size() > LONGEST_QUESTION) {
        throw IOException("a weight is 0 to 100, and its question has 4096 bytes at most");
    }
    const double told = weights_.next(fmt::format("{} {}", asker.uid, question), static_cast<double>(measured),
                                      std::chrono::steady_clock::now());
    return Frame(FrameType::ORDER_DONE, {std::to_string(std::lround(told))});
}

Frame ControlOrders::reopenLogs(const Asker &asker) {
    if (!isMaster(asker)) {
        throw IOException("only root and the agent's own user may reopen the logs");
    }
    parts_.reopenLogs();
    return done();
}

}  // namespace Passenger
