#include "control/ServerStatus.h"

#include <cmath>
#include <string>

#include <nlohmann/json.hpp>

#include "base/Exceptions.h"
#include "base/LogHistogram.h"

namespace Passenger {

namespace {

using Json = nlohmann::json;

/** Times are told in microseconds: more digits say nothing and cost the reader time. */
double rounded(double seconds) {
    return std::round(seconds * 1e6) / 1e6;
}

// describe(value, visit) names each member once; writing and reading both use it.

template <class Value, class Visit> void describe(Value &value, Visit &&visit);

class Writer {
public:
    explicit Writer(Json &object) : object_(object) {}

    template <class Member> void operator()(const char *name, const Member &member) {
        write(object_[name], member);
    }

private:
    template <class Member> static void write(Json &place, const Member &member) {
        if constexpr (requires(Json target) { target = member; }) {
            place = member;
        } else {
            place = Json::object();
            describe(member, Writer(place));
        }
    }
    static void write(Json &place, double member) {
        place = rounded(member);
    }
    static void write(Json &place, const TimeQuantiles &times) {
        place = {rounded(times.p50), rounded(times.p90), rounded(times.p99)};
    }
    static void write(Json &place, const PointStatus &point) {
        place = {rounded(point.at), rounded(point.seconds), point.requests};
        for (const TimeQuantiles &times : {point.queue, point.service}) {
            place.push_back(rounded(times.p50));
            place.push_back(rounded(times.p90));
            place.push_back(rounded(times.p99));
        }
    }
    template <class Element> static void write(Json &place, const std::vector<Element> &members) {
        place = Json::array();
        for (const Element &member : members) {
            write(place.emplace_back(), member);
        }
    }
    template <class Member> static void write(Json &place, const std::optional<Member> &member) {
        if (member) {
            write(place, *member);
        }
    }

    Json &object_;
};

class Reader {
public:
    explicit Reader(const Json &object) : object_(object) {}

    template <class Member> void operator()(const char *name, Member &member) {
        const auto found = object_.find(name);
        if (found != object_.end() && !found->is_null()) {
            read(*found, member);
        }
    }

private:
    template <class Member> static void read(const Json &place, Member &member) {
        if constexpr (requires(Json source) { source.get_to(member); }) {
            place.get_to(member);
        } else {
            describe(member, Reader(place));
        }
    }
    static void read(const Json &place, TimeQuantiles &times) {
        times = quantilesAt(place, 0);
    }
    static void read(const Json &place, PointStatus &point) {
        point = {place.at(0).get<double>(), place.at(1).get<double>(), place.at(2).get<std::uint64_t>(),
                 quantilesAt(place, 3), quantilesAt(place, 6)};
    }
    static TimeQuantiles quantilesAt(const Json &place, std::size_t first) {
        return {place.at(first).get<double>(), place.at(first + 1).get<double>(), place.at(first + 2).get<double>()};
    }
    template <class Element> static void read(const Json &place, std::vector<Element> &members) {
        members.clear();
        for (const Json &element : place.get_ref<const Json::array_t &>()) {
            read(element, members.emplace_back());
        }
    }
    template <class Member> static void read(const Json &place, std::optional<Member> &member) {
        read(place, member.emplace());
    }

    const Json &object_;
};

template <class Value, class Visit> void describe(Value &value, Visit &&visit) {
    using Type = std::remove_const_t<Value>;
    if constexpr (std::is_same_v<Type, WindowStatus>) {
        visit("seconds", value.seconds);
        visit("requests", value.requests);
        visit("queue", value.queue);
        visit("service", value.service);
    } else if constexpr (std::is_same_v<Type, HistogramStatus>) {
        visit("counts", value.counts);
        visit("sum", value.sum);
    } else if constexpr (std::is_same_v<Type, InstanceStatus>) {
        visit("pid", value.pid);
        visit("state", value.state);
        visit("version", value.version);
        visit("age", value.age);
        visit("adopted", value.adopted);
        visit("concurrency", value.concurrency);
        visit("sessions", value.sessions);
        visit("busy_for", value.busyFor);
        visit("memory", value.memory);
        visit("private_memory", value.privateMemory);
        visit("cpu_time", value.cpuTime);
        visit("replacement_reason", value.replacementReason);
    } else if constexpr (std::is_same_v<Type, QueueStatus>) {
        visit("waiting", value.waiting);
        visit("oldest", value.oldest);
        visit("limit", value.limit);
    } else if constexpr (std::is_same_v<Type, CountersStatus>) {
        visit("requests", value.requests);
        visit("refused", value.refused);
        visit("timed_out", value.timedOut);
        visit("clients_left", value.clientsLeft);
        visit("spawned", value.spawned);
        visit("spawns_failed", value.spawnsFailed);
        visit("adopted", value.adopted);
        visit("restarts", value.restarts);
        visit("deploys_failed", value.deploysFailed);
        visit("died", value.died);
        visit("replaced", value.replaced);
        visit("reforked", value.reforked);
        visit("reforks_failed", value.reforksFailed);
        visit("evicted", value.evicted);
        visit("idled", value.idled);
    } else if constexpr (std::is_same_v<Type, FailureStatus>) {
        visit("report", value.report);
        visit("summary", value.summary);
        visit("remedy", value.remedy);
        visit("age", value.age);
    } else if constexpr (std::is_same_v<Type, EventStatus>) {
        visit("at", value.at);
        visit("name", value.name);
        visit("text", value.text);
    } else if constexpr (std::is_same_v<Type, AppStatus>) {
        visit("name", value.name);
        visit("root", value.root);
        visit("environment", value.environment);
        visit("type", value.type);
        visit("user", value.user);
        visit("uid", value.uid);
        visit("state", value.state);
        visit("crash_looping", value.crashLooping);
        visit("draining", value.draining);
        visit("since", value.since);
        visit("version", value.version);
        visit("instances", value.instances);
        visit("starting", value.starting);
        visit("min_instances", value.minInstances);
        visit("max_instances", value.maxInstances);
        visit("queue", value.queue);
        visit("counters", value.counters);
        visit("queue_time", value.queueTime);
        visit("service_time", value.serviceTime);
        visit("windows", value.windows);
        visit("points", value.points);
        visit("last_spawn_time", value.lastSpawnTime);
        visit("failure", value.failure);
        visit("events", value.events);
    } else {
        static_assert(std::is_same_v<Type, ServerStatus>);
        visit("form", value.form);
        visit("version", value.version);
        visit("watchdog_pid", value.watchdogPid);
        visit("pool_pid", value.poolPid);
        visit("httpd_pid", value.httpdPid);
        visit("now", value.now);
        visit("since", value.since);
        visit("max_pool_size", value.maxPoolSize);
        visit("pool_size", value.poolSize);
        visit("waiting_for_room", value.waitingForRoom);
        visit("descriptors", value.descriptors);
        visit("descriptor_limit", value.descriptorLimit);
        visit("attaches_refused", value.attachesRefused);
        visit("draining", value.draining);
        visit("apps", value.apps);
    }
}

}  // namespace

std::vector<double> histogramBounds() {
    std::vector<double> bounds;
    // Bucket 0 has the times below 1 µs.
    for (std::size_t bucket = 0; bucket + 1 < LogHistogram::BUCKETS; bucket++) {
        bounds.push_back(static_cast<double>(std::uint64_t{1} << bucket) / 1e6);
    }
    return bounds;
}

std::string toJson(const ServerStatus &status) {
    Json document = Json::object();
    describe(status, Writer(document));
    return document.dump(-1, ' ', false, Json::error_handler_t::replace);
}

ServerStatus statusFromJson(std::string_view text) {
    ServerStatus status;
    try {
        const Json document = Json::parse(text);
        describe(status, Reader(document));
    } catch (const Json::exception &error) {
        throw ProtocolException(std::string("the agent's status is malformed: ") + error.what());
    }
    return status;
}

}  // namespace Passenger
