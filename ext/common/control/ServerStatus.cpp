#include "control/ServerStatus.h"

#include <fmt/format.h>
#include <rapidjson/document.h>
#include <rapidjson/error/en.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <string>
#include <type_traits>

#include "base/Exceptions.h"
#include "base/Json.h"
#include "base/LogHistogram.h"

namespace Passenger {

namespace {

/** Times are told in microseconds: more digits say nothing and cost the reader time. */
constexpr int DECIMALS = 6;

// describe(value, visit) names each member once; writing and reading both use it.

template <class Value, class Visit> void describe(Value &value, Visit &&visit);

/** Writes without a tree in between: a status of a thousand applications is long. */
class Writer {
public:
    explicit Writer(rapidjson::StringBuffer &text) : writer_(text) {
        writer_.SetMaxDecimalPlaces(DECIMALS);
    }

    template <class Member> void operator()(const char *name, const Member &member) {
        writer_.Key(name);
        write(member);
    }
    template <class Value> void writeObject(const Value &value) {
        writer_.StartObject();
        describe(value, *this);
        writer_.EndObject();
    }

private:
    template <class Member> void write(const Member &member) {
        if constexpr (std::is_same_v<Member, bool>) {
            writer_.Bool(member);
        } else if constexpr (std::is_floating_point_v<Member>) {
            writer_.Double(member);
        } else if constexpr (std::is_signed_v<Member>) {
            writer_.Int64(member);
        } else if constexpr (std::is_unsigned_v<Member>) {
            writer_.Uint64(member);
        } else {
            writeObject(member);
        }
    }
    void write(const std::string &text) {
        if (std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; })) {
            writer_.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
        } else {
            const std::string valid = jsonString(text);
            writer_.RawValue(valid.data(), valid.size(), rapidjson::kStringType);
        }
    }
    void write(const TimeQuantiles &times) {
        writer_.StartArray();
        writeEach(times);
        writer_.EndArray();
    }
    void write(const PointStatus &point) {
        writer_.StartArray();
        writer_.Double(point.at);
        writer_.Double(point.seconds);
        writer_.Uint64(point.requests);
        writeEach(point.queue);
        writeEach(point.service);
        writer_.EndArray();
    }
    void writeEach(const TimeQuantiles &times) {
        for (const double time : {times.p50, times.p90, times.p99}) {
            writer_.Double(time);
        }
    }
    template <class Element> void write(const std::vector<Element> &members) {
        writer_.StartArray();
        for (const Element &member : members) {
            write(member);
        }
        writer_.EndArray();
    }
    template <class Member> void write(const std::optional<Member> &member) {
        if (member) {
            write(*member);
        } else {
            writer_.Null();
        }
    }

    rapidjson::Writer<rapidjson::StringBuffer> writer_;
};

class Reader {
public:
    explicit Reader(const rapidjson::Value &object) : object_(object) {
        expect(object.IsObject(), "an object");
        next_ = object.MemberBegin();
    }

    template <class Member> void operator()(const char *name, Member &member) {
        // An agent of this version has written them in this order.
        const bool isNext = next_ != object_.MemberEnd() && next_->name == name;
        const auto found = isNext ? next_ : object_.FindMember(name);
        if (found == object_.MemberEnd()) {
            return;
        }
        next_ = found + 1;
        if (!found->value.IsNull()) {
            read(found->value, member);
        }
    }

private:
    static void expect(bool is, const char *what) {
        if (!is) {
            throw ProtocolException(fmt::format("the agent's status is malformed: a value is not {}", what));
        }
    }

    template <class Member> static void read(const rapidjson::Value &place, Member &member) {
        if constexpr (std::is_same_v<Member, bool>) {
            expect(place.IsBool(), "true or false");
            member = place.GetBool();
        } else if constexpr (std::is_floating_point_v<Member>) {
            expect(place.IsNumber(), "a number");
            member = place.GetDouble();
        } else if constexpr (std::is_signed_v<Member>) {
            expect(place.IsInt64(), "a whole number");
            member = static_cast<Member>(place.GetInt64());
        } else if constexpr (std::is_unsigned_v<Member>) {
            expect(place.IsUint64(), "a whole number");
            member = static_cast<Member>(place.GetUint64());
        } else {
            describe(member, Reader(place));
        }
    }
    static void read(const rapidjson::Value &place, std::string &text) {
        expect(place.IsString(), "a text");
        text.assign(place.GetString(), place.GetStringLength());
    }
    static void read(const rapidjson::Value &place, TimeQuantiles &times) {
        expect(place.IsArray(), "an array");
        times = quantilesAt(place, 0);
    }
    static void read(const rapidjson::Value &place, PointStatus &point) {
        expect(place.IsArray() && place.Size() > 2, "a point");
        read(place[0], point.at);
        read(place[1], point.seconds);
        read(place[2], point.requests);
        point.queue = quantilesAt(place, 3);
        point.service = quantilesAt(place, 6);
    }
    static TimeQuantiles quantilesAt(const rapidjson::Value &place, rapidjson::SizeType first) {
        expect(place.Size() > first + 2, "three times");
        TimeQuantiles times;
        read(place[first], times.p50);
        read(place[first + 1], times.p90);
        read(place[first + 2], times.p99);
        return times;
    }
    template <class Element> static void read(const rapidjson::Value &place, std::vector<Element> &members) {
        expect(place.IsArray(), "an array");
        members.clear();
        members.reserve(place.Size());
        for (const rapidjson::Value &element : place.GetArray()) {
            read(element, members.emplace_back());
        }
    }
    template <class Member> static void read(const rapidjson::Value &place, std::optional<Member> &member) {
        read(place, member.emplace());
    }

    const rapidjson::Value &object_;
    rapidjson::Value::ConstMemberIterator next_;
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
        visit("application_pid", value.applicationPid);
        visit("state", value.state);
        visit("version", value.version);
        visit("age", value.age);
        visit("adopted", value.adopted);
        visit("concurrency", value.concurrency);
        visit("sessions", value.sessions);
        visit("busy_for", value.busyFor);
        visit("processed", value.processed);
        visit("last_used", value.lastUsed);
        visit("memory", value.memory);
        visit("private_memory", value.privateMemory);
        visit("cpu_time", value.cpuTime);
        visit("replacement_reason", value.replacementReason);
    } else if constexpr (std::is_same_v<Type, QueueStatus>) {
        visit("waiting", value.waiting);
        visit("oldest", value.oldest);
        visit("limit", value.limit);
        visit("paused_for", value.pausedFor);
    } else if constexpr (std::is_same_v<Type, RequestStatus>) {
        visit("pid", value.pid);
        visit("age", value.age);
        visit("client", value.client);
        visit("method", value.method);
        visit("id", value.id);
        visit("uri", value.uri);
    } else if constexpr (std::is_same_v<Type, CountersStatus>) {
        visit("requests", value.requests);
        visit("refused", value.refused);
        visit("over_share", value.overShare);
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
        visit("memory_kills", value.memoryKills);
        visit("memory_reached", value.memoryReached);
        visit("tasks_refused", value.tasksRefused);
    } else if constexpr (std::is_same_v<Type, RestartStatus>) {
        visit("reason", value.reason);
        visit("age", value.age);
    } else if constexpr (std::is_same_v<Type, FailureStatus>) {
        visit("report", value.report);
        visit("summary", value.summary);
        visit("remedy", value.remedy);
        visit("age", value.age);
    } else if constexpr (std::is_same_v<Type, EventStatus>) {
        visit("at", value.at);
        visit("name", value.name);
        visit("text", value.text);
    } else if constexpr (std::is_same_v<Type, WorkersStatus>) {
        visit("busy", value.busy);
        visit("idle", value.idle);
        visit("limit", value.limit);
    } else if constexpr (std::is_same_v<Type, SpoolStatus>) {
        visit("bytes", value.bytes);
        visit("limit", value.limit);
        visit("available", value.available);
        visit("reserve", value.reserve);
        visit("refused", value.refused);
        visit("app_refused", value.appRefused);
        visit("disk_refused", value.diskRefused);
        visit("hijacks_refused", value.hijacksRefused);
        visit("clients_cut", value.clientsCut);
        visit("bodies_in_pieces", value.bodiesInPieces);
    } else if constexpr (std::is_same_v<Type, AppStatus>) {
        visit("name", value.name);
        visit("root", value.root);
        visit("environment", value.environment);
        visit("type", value.type);
        visit("startup_file", value.startupFile);
        visit("interpreter", value.interpreter);
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
        visit("memory_share", value.memoryShare);
        visit("queue", value.queue);
        visit("counters", value.counters);
        visit("queue_time", value.queueTime);
        visit("service_time", value.serviceTime);
        visit("windows", value.windows);
        visit("points", value.points);
        visit("last_spawn_time", value.lastSpawnTime);
        visit("last_used", value.lastUsed);
        visit("last_restart", value.lastRestart);
        visit("failure", value.failure);
        visit("requests", value.requests);
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
        visit("memory_budget", value.memoryBudget);
        visit("memory_used", value.memoryUsed);
        visit("apps_forgotten", value.appsForgotten);
        visit("apps_refused", value.appsRefused);
        visit("descriptors", value.descriptors);
        visit("descriptor_limit", value.descriptorLimit);
        visit("attaches_refused", value.attachesRefused);
        visit("connections_dropped", value.connectionsDropped);
        visit("child_connections_refused", value.childConnections);
        visit("child_channels_refused", value.childChannels);
        visit("child_apps_refused", value.childApps);
        visit("all_children_refused", value.allChildren);
        visit("descriptors_refused", value.descriptorsRefused);
        visit("log_lines_dropped", value.logLinesDropped);
        visit("boots_limited", value.bootsLimited);
        visit("agent_kills", value.agentKills);
        visit("draining", value.draining);
        visit("warming_up", value.warmingUp);
        visit("httpd_workers", value.workers);
        visit("spool", value.spool);
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
    rapidjson::StringBuffer text;
    Writer(text).writeObject(status);
    return {text.GetString(), text.GetSize()};
}

ServerStatus statusFromJson(std::string text) {
    // Iterative: the depth of what a false agent sends is not limited.
    rapidjson::Document document;
    document.ParseInsitu<rapidjson::kParseIterativeFlag>(text.data());
    if (document.HasParseError()) {
        throw ProtocolException(fmt::format("the agent's status is malformed at byte {}: {}", document.GetErrorOffset(),
                                            rapidjson::GetParseError_En(document.GetParseError())));
    }
    ServerStatus status;
    describe(status, Reader(document));
    return status;
}

}  // namespace Passenger
