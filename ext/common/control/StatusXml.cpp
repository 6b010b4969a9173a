#include "control/StatusXml.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "base/Lists.h"
#include "base/MarkupText.h"
#include "control/InstanceFigures.h"
#include "control/Uptime.h"

namespace Passenger {

namespace {

constexpr std::uint64_t KILOBYTE = 1024;
constexpr double MICROSECONDS = 1e6;

/** Writes elements, indented by their depth. */
class XmlWriter {
public:
    void empty(const char *name) { line(fmt::format("<{}/>", name)); }
    void open(const char *name, std::string_view attributes = {}) {
        line(fmt::format("<{}{}>", name, attributes));
        depth_++;
    }
    void close(const char *name) {
        depth_--;
        line(fmt::format("</{}>", name));
    }
    template <class Value> void add(const char *name, const Value &value) {
        line(fmt::format("<{0}>{1}</{0}>", name, markupText(fmt::format("{}", value))));
    }
    std::string take() { return std::move(text_); }

private:
    void line(std::string_view element) {
        constexpr std::size_t INDENT = 3;
        text_.append(depth_ * INDENT, ' ').append(element).append("\n");
    }

    std::string text_ = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
    std::size_t depth_ = 0;
};

const char *lifeStatus(const InstanceStatus &instance) {
    if (instance.state == "dead") {
        return "DEAD";
    }
    return instance.state == "draining" ? "SHUTDOWN_TRIGGERED" : "ALIVE";
}

const char *enabled(const InstanceStatus &instance) {
    return instance.state == "draining" || instance.state == "dead" ? "DETACHED" : "ENABLED";
}

const char *poolState(const AppStatus &app) {
    if (app.state == "starting") {
        return "INITIALIZING";
    }
    if (app.deploys()) {
        return "RESTARTING";
    }
    return app.state == "shut-down" ? "DESTROYED" : "READY";
}

/** The name that Phusion Passenger has for the type. */
std::string_view typeName(const AppStatus &app) {
    return app.type == "rack"                         ? "ruby"
           : app.type == "wsgi" || app.type == "asgi" ? "python"
                                                      : std::string_view(app.type);
}

void addMemory(XmlWriter &xml, const InstanceStatus &instance) {
    xml.add("has_metrics", instance.memory != 0 || instance.measured);
    xml.add("cpu", cpuPercent(instance));
    xml.add("pss", instance.memory / KILOBYTE);
    if (!instance.measured) {
        // Plugins read these two without asking whether they are there.
        const std::uint64_t bytes = instance.privateMemory != 0 ? instance.privateMemory : instance.memory;
        xml.add("private_dirty", bytes / KILOBYTE);
        xml.add("real_memory", bytes / KILOBYTE);
        return;
    }
    const MeasuredStatus &measured = *instance.measured;
    xml.add("rss", measured.resident / KILOBYTE);
    xml.add("private_dirty", measured.privateDirty / KILOBYTE);
    xml.add("swap", measured.swap / KILOBYTE);
    xml.add("real_memory", (measured.privateDirty + measured.swap) / KILOBYTE);
    xml.add("vmsize", measured.virtualSize / KILOBYTE);
    xml.add("process_group_id", measured.processGroup);
    xml.add("command", measured.commandLine);
}

void addInstance(XmlWriter &xml, const InstanceStatus &instance, double now) {
    constexpr unsigned BUSY = 2147483647;
    xml.open("process");
    xml.add("pid", instance.pid);
    if (instance.applicationPid > 0) {
        xml.add("application_pid", instance.applicationPid);
    }
    xml.add("concurrency", instance.concurrency);
    xml.add("sessions", instance.sessions);
    xml.add("busyness",
            instance.concurrency == 0
                ? instance.sessions
                : static_cast<unsigned>(std::min(1.0, 1.0 * instance.sessions / instance.concurrency) * BUSY));
    xml.add("processed", instance.processed);
    // Its start is one moment here.
    const auto started = static_cast<std::uint64_t>(std::max(0.0, now - instance.age) * MICROSECONDS);
    for (const char *name : {"spawner_creation_time", "spawn_start_time", "spawn_end_time"}) {
        xml.add(name, started);
    }
    const double idle = idleFor(instance, now);
    xml.add("last_used", static_cast<std::uint64_t>(std::max(0.0, now - idle) * MICROSECONDS));
    xml.add("last_used_desc", uptimeText(idle) + " ago");
    xml.add("uptime", uptimeText(instance.age));
    xml.add("life_status", lifeStatus(instance));
    xml.add("enabled", enabled(instance));
    addMemory(xml, instance);
    xml.close("process");
}

void addOptions(XmlWriter &xml, const AppStatus &app) {
    xml.open("options");
    xml.add("app_root", app.root);
    xml.add("app_group_name", app.name);
    xml.add("app_type", typeName(app));
    xml.add("environment", app.environment);
    xml.add("min_processes", app.minInstances);
    xml.add("max_processes", app.maxInstances);
    xml.close("options");
}

auto countOf(const AppStatus &app, std::string_view state) {
    return std::count_if(app.instances.begin(), app.instances.end(),
                         [state](const InstanceStatus &instance) { return enabled(instance) == state; });
}

void addGroup(XmlWriter &xml, const AppStatus &app, double now) {
    xml.open("group", " default=\"true\"");
    xml.add("name", app.name);
    xml.add("component_name", app.name);
    xml.add("app_root", app.root);
    xml.add("app_type", typeName(app));
    xml.add("environment", app.environment);
    xml.add("enabled_process_count", countOf(app, "ENABLED"));
    xml.add("disabling_process_count", 0);
    xml.add("disabled_process_count", 0);
    xml.add("capacity_used", app.instances.size() + app.starting);
    xml.add("get_wait_list_size", app.queue.waiting);
    xml.add("disable_wait_list_size", 0);
    xml.add("processes_being_spawned", app.starting);
    if (app.starting > 0) {
        xml.empty("spawning");
    }
    if (app.deploys()) {
        xml.empty("restarting");
    }
    xml.add("life_status", app.state == "shut-down" ? "SHUT_DOWN" : "ALIVE");
    if (!app.user.empty()) {
        xml.add("user", app.user);
        xml.add("uid", app.uid);
    }
    addOptions(xml, app);
    xml.open("processes");
    for (const InstanceStatus &instance : app.instances) {
        addInstance(xml, instance, now);
    }
    xml.close("processes");
    xml.close("group");
}

}  // namespace

std::string statusXml(const ServerStatus &status) {
    XmlWriter xml;
    xml.open("info", " version=\"3\"");
    xml.add("passenger_version", status.version);
    xml.add("group_count", status.apps.size());
    xml.add("process_count",
            sumOf(std::size_t{0}, status.apps, [](const AppStatus &app) { return app.instances.size(); }));
    xml.add("max", status.maxPoolSize);
    xml.add("capacity_used", status.poolSize);
    xml.add("get_wait_list_size", status.waitingForRoom);
    xml.open("supergroups");
    for (const AppStatus &app : status.apps) {
        xml.open("supergroup");
        xml.add("name", app.name);
        xml.add("state", poolState(app));
        xml.add("get_wait_list_size", 0);
        xml.add("capacity_used", app.instances.size() + app.starting);
        addGroup(xml, app, status.now);
        xml.close("supergroup");
    }
    xml.close("supergroups");
    xml.close("info");
    return xml.take();
}

}  // namespace Passenger
