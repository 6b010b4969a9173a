#include "control/StatusText.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/MarkupText.h"
#include "control/StatusWords.h"

namespace Passenger {

namespace {

class Lines {
public:
    explicit Lines(std::string &text) : text_(text) {}

    void begin(std::string prefix) { prefix_ = std::move(prefix); }
    void add(std::string_view key, std::string_view value) {
        std::string line = printable(value);
        for (char &c : line) {
            c = c == '\n' || c == '\t' ? ' ' : c;
        }
        fmt::format_to(std::back_inserter(text_), "{}{}: {}\n", prefix_, key, line);
    }
    void add(std::string_view key, double value) {
        fmt::format_to(std::back_inserter(text_), "{}{}: {:.6g}\n", prefix_, key, value);
    }
    void add(std::string_view key, std::uint64_t value) {
        fmt::format_to(std::back_inserter(text_), "{}{}: {}\n", prefix_, key, value);
    }
    void add(std::string_view key, unsigned value) { add(key, std::uint64_t{value}); }
    void add(std::string_view key, bool value) { add(key, std::uint64_t{value}); }

private:
    std::string &text_;
    std::string prefix_;
};

void addTimes(Lines &lines, const std::string &name, const TimeQuantiles &times) {
    lines.add(name + "P50", times.p50);
    lines.add(name + "P90", times.p90);
    lines.add(name + "P99", times.p99);
}

void addWindows(Lines &lines, const AppStatus &app) {
    for (const WindowStatus &window : app.windows) {
        const std::string seconds = std::to_string(window.seconds);
        lines.add("Requests" + seconds, window.requests);
        addTimes(lines, "QueueTime" + seconds, window.queue);
        addTimes(lines, "ServiceTime" + seconds, window.service);
    }
}

void addCounters(Lines &lines, const CountersStatus &counters) {
    lines.add("TotalRequests", counters.requests);
    lines.add("TotalRefused", counters.refused);
    lines.add("TotalOverShare", counters.overShare);
    lines.add("TotalTimedOut", counters.timedOut);
    lines.add("TotalClientsLeft", counters.clientsLeft);
    lines.add("TotalLost", counters.lost);
    lines.add("TotalOverran", counters.overran);
    lines.add("TotalNotStarted", counters.notStarted);
    lines.add("TotalSpawned", counters.spawned);
    lines.add("TotalSpawnsFailed", counters.spawnsFailed);
    lines.add("TotalRestarts", counters.restarts);
    lines.add("TotalDeploysFailed", counters.deploysFailed);
    lines.add("TotalDied", counters.died);
    lines.add("TotalReplaced", counters.replaced);
    lines.add("TotalMemoryKills", counters.memoryKills);
    lines.add("TotalTasksRefused", counters.tasksRefused);
}

void addApp(Lines &lines, const AppStatus &app) {
    const StatusWords::Load load = StatusWords::loadOf(app);
    lines.add("Name", app.name);
    lines.add("State", app.state);
    lines.add("CrashLooping", app.crashLooping);
    lines.add("Draining", app.draining);
    lines.add("Version", app.version);
    lines.add("Instances", static_cast<std::uint64_t>(app.instances.size()));
    lines.add("Starting", app.starting);
    lines.add("Busy", load.busy);
    lines.add("LongestRequest", load.oldest);
    lines.add("Memory", load.memory);
    lines.add("QueueLength", app.queue.waiting);
    lines.add("QueueAge", app.queue.oldest);
    lines.add("QueueLimit", app.queue.limit);
    lines.add("LastSpawnTime", app.lastSpawnTime);
    if (app.failure && !app.failure->report.empty()) {
        lines.add("Report", app.failure->report);
    }
    addCounters(lines, app.counters);
    addWindows(lines, app);
}

}  // namespace

std::string statusAsText(const ServerStatus &status) {
    std::string text;
    Lines lines(text);
    lines.add("PassengerVersion", status.version);
    lines.add("CurrentTime", static_cast<std::uint64_t>(status.now));
    lines.add("Uptime", static_cast<std::uint64_t>(std::max(status.now - status.since, 0.0)));
    lines.add("MaxPoolSize", status.maxPoolSize);
    lines.add("PoolSize", status.poolSize);
    lines.add("WaitingForRoom", status.waitingForRoom);
    lines.add("MemoryBudget", status.memoryBudget);
    lines.add("MemoryUsed", status.memoryUsed);
    lines.add("AppsForgotten", status.appsForgotten);
    lines.add("AppsRefused", status.appsRefused);
    lines.add("Descriptors", status.descriptors);
    lines.add("DescriptorLimit", status.descriptorLimit);
    lines.add("AttachesRefused", status.attachesRefused);
    lines.add("ConnectionsDropped", status.connectionsDropped);
    lines.add("ChildConnectionsRefused", status.childConnections);
    lines.add("ChildChannelsRefused", status.childChannels);
    lines.add("ChildAppsRefused", status.childApps);
    lines.add("AllChildrenRefused", status.allChildren);
    lines.add("DescriptorsRefused", status.descriptorsRefused);
    lines.add("LogLinesDropped", status.logLinesDropped);
    lines.add("BootsLimited", status.bootsLimited);
    lines.add("AgentKills", status.agentKills);
    lines.add("ServerDraining", status.draining);
    lines.add("ServerWarmingUp", status.warmingUp);
    if (status.workers) {
        lines.add("HttpdBusyWorkers", status.workers->busy);
        lines.add("HttpdIdleWorkers", status.workers->idle);
        lines.add("HttpdWorkersLimit", status.workers->limit);
    }
    if (status.spool) {
        lines.add("SpoolBytes", status.spool->bytes);
        lines.add("SpoolBytesLimit", status.spool->limit);
        lines.add("SpoolBytesAvailable", status.spool->available);
        lines.add("SpoolBytesReserve", status.spool->reserve);
        lines.add("SpoolRefused", status.spool->refused);
        lines.add("SpoolAppRefused", status.spool->appRefused);
        lines.add("SpoolDiskRefused", status.spool->diskRefused);
        lines.add("HijacksRefused", status.spool->hijacksRefused);
        lines.add("SlowClientsCut", status.spool->clientsCut);
        lines.add("BodiesInPieces", status.spool->bodiesInPieces);
    }
    lines.add("Applications", static_cast<std::uint64_t>(status.apps.size()));
    for (std::size_t index = 0; index < status.apps.size(); index++) {
        lines.begin(fmt::format("App[{}]", index));
        addApp(lines, status.apps[index]);
    }
    return text;
}

}  // namespace Passenger
