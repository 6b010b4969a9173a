#include "control/StatusMetrics.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/AcceptedTypes.h"
#include "base/Lists.h"
#include "control/StatusWords.h"

namespace Passenger::StatusMetrics {

namespace {

/** The size of one application's samples, in bytes. */
constexpr std::size_t TYPICAL_SIZE = 10 * 1024;

enum class Type { COUNTER, GAUGE, HISTOGRAM };

constexpr const char *nameOf(Type type) noexcept {
    return type == Type::COUNTER ? "counter" : type == Type::GAUGE ? "gauge" : "histogram";
}

std::string escaped(std::string_view value) {
    std::string result;
    for (const char c : value) {
        if (c == '\n') {
            result += "\\n";
        } else {
            if (c == '\\' || c == '"') {
                result += '\\';
            }
            result += c;
        }
    }
    return result;
}

using Labels = std::initializer_list<std::pair<const char *, std::string_view>>;

/** What many samples have in common is written once: with 1,000 applications there are 120,000
 *  samples in a scrape. */
struct Subject {
    /** `app="…"`; empty: the server. */
    std::string label;
    /** The time at which the counters began. */
    std::string created;

    Subject(std::string_view app, double since)
        : label(app.empty() ? "" : fmt::format("app=\"{}\"", escaped(app))), created(fmt::format("{:.3f}", since)) {}
};

std::vector<std::string> bucketLabels() {
    auto labels = listOf(histogramBounds(), [](double bound) { return fmt::format("le=\"{}\"", bound); });
    labels.emplace_back("le=\"+Inf\"");
    return labels;
}

/** Writes the samples of one metric. */
class Samples {
public:
    /** @param buckets as of bucketLabels() */
    Samples(std::string &text, bool open, const char *name, Type type, const std::vector<std::string> &buckets)
        : text_(text), open_(open), name_(name), type_(type), buckets_(buckets) {}

    /** For the samples that follow. The subject outlives them. */
    void of(const Subject &subject) noexcept { subject_ = &subject; }

    template <class Number> void add(const Number &value, Labels labels = {}) {
        if (type_ == Type::COUNTER) {
            addCreated(addOlder(value, labels));
        } else {
            addOlder(value, labels);
        }
    }
    /** A counter that has begun before its subject, at a time that nobody knows.
     *  @return the labels beside the subject's */
    template <class Number> std::string addOlder(const Number &value, Labels labels) {
        std::string own;
        for (const auto &[name, label] : labels) {
            own += own.empty() ? "" : ",";
            own.append(name).append("=\"").append(escaped(label)) += '"';
        }
        line(type_ == Type::COUNTER ? "_total" : "", own, value);
        return own;
    }
    void add(const HistogramStatus &times) {
        std::uint64_t sum = 0;
        begin("_bucket", true);
        for (std::size_t bucket = 0; bucket < buckets_.size(); bucket++) {
            sum += bucket < times.counts.size() ? times.counts[bucket] : 0;
            end(buckets_[bucket], sum);
        }
        line("_sum", "", times.sum);
        line("_count", "", sum);
        addCreated("");
    }

private:
    /** @param labels beside the subject's */
    template <class Number> void line(const char *suffix, std::string_view labels, const Number &value) {
        begin(suffix, !labels.empty());
        end(labels, value);
    }
    /** What the samples of a histogram have in common is made once. */
    void begin(const char *suffix, bool hasLabels) {
        const std::string &subject = subject_->label;
        begin_.assign(name_).append(suffix);
        if (!subject.empty() || hasLabels) {
            begin_.append("{").append(subject).append(subject.empty() || !hasLabels ? "" : ",");
            end_ = "} ";
        } else {
            end_ = " ";
        }
    }
    template <class Number> void end(std::string_view labels, const Number &value) {
        text_.append(begin_).append(labels).append(end_);
        if constexpr (std::is_integral_v<Number>) {
            const fmt::format_int digits(value);
            text_.append(digits.data(), digits.size());
        } else if constexpr (std::is_floating_point_v<Number>) {
            fmt::format_to(std::back_inserter(text_), "{}", value);
        } else {
            text_.append(value);
        }
        text_ += '\n';
    }
    void addCreated(const std::string &labels) {
        if (open_) {
            line("_created", labels, subject_->created);
        }
    }

    std::string &text_;
    const bool open_;
    const char *const name_;
    const Type type_;
    const std::vector<std::string> &buckets_;
    const Subject *subject_ = nullptr;
    /** The text of the sample that is written, before and behind its own labels. */
    std::string begin_;
    std::string_view end_;
};

using Server = const ServerStatus &;
using App = const AppStatus &;

void addSpool(Server server, std::uint64_t SpoolStatus::*member, Samples &to) {
    if (server.spool) {
        to.add((*server.spool).*member);
    }
}

/** One metric. It is of the server, or of each application. */
struct Family {
    /** Without `_total`. */
    const char *name;
    Type type;
    /** The name's end; empty: it has none. */
    const char *unit;
    /** All of them. */
    const char *labels;
    const char *help;
    void (*ofServer)(Server, Samples &) = nullptr;
    void (*ofApp)(App, Samples &) = nullptr;
};

constexpr std::array APP_STATES{"down",         "starting",      "serving", "paused",   "deploying",
                                "deploy-waits", "deploy-failed", "failed",  "shut-down"};
constexpr std::array INSTANCE_STATES{"standby", "serving", "draining"};

constexpr std::array FAMILIES{
    Family{"passenger_build_info", Type::GAUGE, "", "version", "1. The label is mod_passenger's version.",
           [](Server server, Samples &to) {
               to.add(1, {{"version", server.version}});
           }},
    Family{"passenger_start_time_seconds", Type::GAUGE, "seconds", "",
           "When the pool process has started, in seconds since 1970. Counters begin anew then.",
           [](Server server, Samples &to) { to.add(fmt::format("{:.3f}", server.since)); }},
    Family{"passenger_pool_instances", Type::GAUGE, "", "",
           "Instances of all applications, also those that are being started.",
           [](Server server, Samples &to) { to.add(server.poolSize); }},
    Family{"passenger_pool_instances_limit", Type::GAUGE, "", "", "PassengerMaxPoolSize.",
           [](Server server, Samples &to) { to.add(server.maxPoolSize); }},
    Family{"passenger_pool_waiting_apps", Type::GAUGE, "", "", "Applications that wait for room in the pool.",
           [](Server server, Samples &to) { to.add(server.waitingForRoom); }},
    Family{"passenger_pool_memory_budget_bytes", Type::GAUGE, "bytes", "", "PassengerMemoryBudget; 0: none.",
           [](Server server, Samples &to) { to.add(server.memoryBudget); }},
    Family{"passenger_pool_memory_used_bytes", Type::GAUGE, "bytes", "",
           "What instances use of it (PSS, swapped memory included), those included that are being started.",
           [](Server server, Samples &to) { to.add(server.memoryUsed); }},
    Family{"passenger_apps_forgotten", Type::COUNTER, "", "",
           "Applications that the agent has forgotten, since nobody used them (PassengerMaxAppIdleTime).",
           [](Server server, Samples &to) { to.add(server.appsForgotten); }},
    Family{"passenger_agent_open_fds", Type::GAUGE, "", "", "Open descriptors of the pool process.",
           [](Server server, Samples &to) { to.add(server.descriptors); }},
    Family{"passenger_agent_max_fds", Type::GAUGE, "", "", "The limit of these descriptors.",
           [](Server server, Samples &to) { to.add(server.descriptorLimit); }},
    Family{"passenger_attaches_refused", Type::COUNTER, "", "",
           "Applications that an httpd child asked for and that httpd's configuration does not allow.",
           [](Server server, Samples &to) { to.add(server.attachesRefused); }},
    Family{"passenger_child_errors", Type::COUNTER, "", "",
           "Connections of httpd children that the agent ended, since a child sent what it may not.",
           [](Server server, Samples &to) { to.add(server.connectionsDropped); }},
    Family{"passenger_limit_effects", Type::COUNTER, "", "limit",
           "How often a limit had an effect: what one httpd child wanted beyond PassengerMaxChildConnections "
           "(child_connections), PassengerMaxChildChannels (child_channels), PassengerMaxChildApps (child_apps), all of them beyond what the agent has (all_children); "
           "requests for a descriptor (descriptors), lines missing in the log (log_lines), starts that had all processes "
           "(boot_processes), applications beyond those that the agent can know (apps), pool processes that the watchdog "
           "has killed for PassengerAgentTimeout, since its own start (agent_timeout); since httpd's start, files that might not grow by PassengerMaxDataBufferSize (spool), "
           "PassengerMaxDataBufferSizePerApp (spool_app), PassengerMinDataBufferFreeSpace (spool_disk), "
           "connections that might not be taken over (hijacked_connections), slow clients that were cut off (slow_clients), "
           "bodies that went in pieces, since an application had not taken the files before (body_files).",
           [](Server server, Samples &to) {
               to.add(server.childConnections, {{"limit", "child_connections"}});
               to.add(server.childChannels, {{"limit", "child_channels"}});
               to.add(server.childApps, {{"limit", "child_apps"}});
               to.add(server.allChildren, {{"limit", "all_children"}});
               to.add(server.descriptorsRefused, {{"limit", "descriptors"}});
               to.add(server.logLinesDropped, {{"limit", "log_lines"}});
               to.add(server.bootsLimited, {{"limit", "boot_processes"}});
               to.add(server.appsRefused, {{"limit", "apps"}});
               to.addOlder(server.agentKills, {{"limit", "agent_timeout"}});
               if (server.spool) {
                   to.addOlder(server.spool->refused, {{"limit", "spool"}});
                   to.addOlder(server.spool->appRefused, {{"limit", "spool_app"}});
                   to.addOlder(server.spool->diskRefused, {{"limit", "spool_disk"}});
                   to.addOlder(server.spool->hijacksRefused, {{"limit", "hijacked_connections"}});
                   to.addOlder(server.spool->clientsCut, {{"limit", "slow_clients"}});
                   to.addOlder(server.spool->bodiesInPieces, {{"limit", "body_files"}});
               }
           }},
    Family{"passenger_draining", Type::GAUGE, "", "", "1 while health checks send all requests elsewhere.",
           [](Server server, Samples &to) { to.add(server.draining ? 1 : 0); }},
    Family{"passenger_warming_up", Type::GAUGE, "", "",
           "1 while health checks send requests elsewhere until the first requests of PassengerPreStart are over.",
           [](Server server, Samples &to) { to.add(server.warmingUp ? 1 : 0); }},
    Family{"passenger_httpd_workers", Type::GAUGE, "", "state",
           "httpd's worker threads, with prefork its processes: busy or idle.",
           [](Server server, Samples &to) {
               if (server.workers) {
                   to.add(server.workers->busy, {{"state", "busy"}});
                   to.add(server.workers->idle, {{"state", "idle"}});
               }
           }},
    Family{"passenger_httpd_workers_limit", Type::GAUGE, "", "", "MaxRequestWorkers.",
           [](Server server, Samples &to) {
               if (server.workers) {
                   to.add(server.workers->limit);
               }
           }},
    Family{"passenger_spool_bytes", Type::GAUGE, "bytes", "", "Requests and answers in PassengerDataBufferDir.",
           [](Server server, Samples &to) { addSpool(server, &SpoolStatus::bytes, to); }},
    Family{"passenger_spool_limit_bytes", Type::GAUGE, "bytes", "",
           "PassengerMaxDataBufferSize, or three quarters of the room; 0: none.",
           [](Server server, Samples &to) { addSpool(server, &SpoolStatus::limit, to); }},
    Family{"passenger_spool_available_bytes", Type::GAUGE, "bytes", "", "Free on the disk of these files.",
           [](Server server, Samples &to) { addSpool(server, &SpoolStatus::available, to); }},
    Family{"passenger_spool_reserve_bytes", Type::GAUGE, "bytes", "",
           "PassengerMinDataBufferFreeSpace: the part of the disk that these files leave free.",
           [](Server server, Samples &to) { addSpool(server, &SpoolStatus::reserve, to); }},

    Family{"passenger_app_state", Type::GAUGE, "", "app, state",
           "1 for the state that the application has, 0 for the others.", nullptr,
           [](App app, Samples &to) {
               for (const char *state : APP_STATES) {
                   to.add(app.state == state ? 1 : 0, {{"state", state}});
               }
           }},
    Family{"passenger_app_crash_looping", Type::GAUGE, "", "app", "1 while starts fail one after the other.", nullptr,
           [](App app, Samples &to) { to.add(app.crashLooping ? 1 : 0); }},
    Family{"passenger_app_draining", Type::GAUGE, "", "app", "1 while health checks send its requests elsewhere.",
           nullptr, [](App app, Samples &to) { to.add(app.draining ? 1 : 0); }},
    Family{"passenger_app_paused", Type::GAUGE, "", "app",
           "1 while its requests wait for the end of a pause (passenger-config pause).", nullptr,
           [](App app, Samples &to) { to.add(app.queue.pausedFor > 0 ? 1 : 0); }},
    Family{"passenger_app_version", Type::GAUGE, "", "app", "Counts its restarts; 1 in a new pool process, too.", nullptr,
           [](App app, Samples &to) { to.add(app.version); }},
    Family{"passenger_app_instances", Type::GAUGE, "", "app, state", "Its instances by their state.", nullptr,
           [](App app, Samples &to) {
               for (const char *state : INSTANCE_STATES) {
                   to.add(std::count_if(app.instances.begin(), app.instances.end(),
                                        [&](const InstanceStatus &one) { return one.state == state; }),
                          {{"state", state}});
               }
           }},
    Family{"passenger_app_starting_instances", Type::GAUGE, "", "app", "Instances that are being started.", nullptr,
           [](App app, Samples &to) { to.add(app.starting); }},
    Family{"passenger_app_instances_limit", Type::GAUGE, "", "app", "PassengerMaxInstances; 0: only the pool's limit.",
           nullptr, [](App app, Samples &to) { to.add(app.maxInstances); }},
    Family{"passenger_app_requests_in_progress", Type::GAUGE, "", "app", "Requests that instances work on.", nullptr,
           [](App app, Samples &to) { to.add(StatusWords::loadOf(app).busy); }},
    Family{"passenger_app_request_slots", Type::GAUGE, "", "app",
           "Requests that serving instances can run at once, and those that other instances still work on.",
           nullptr, [](App app, Samples &to) { to.add(StatusWords::loadOf(app).slots); }},
    Family{"passenger_app_longest_request_seconds", Type::GAUGE, "seconds", "app",
           "Since when the oldest request in work is.", nullptr,
           [](App app, Samples &to) { to.add(StatusWords::loadOf(app).oldest); }},
    Family{"passenger_app_memory_bytes", Type::GAUGE, "bytes", "app",
           "Memory of its instances (PSS, swapped memory included); those that were not measured yet count as 0.", nullptr,
           [](App app, Samples &to) { to.add(StatusWords::loadOf(app).memory); }},
    Family{"passenger_app_memory_share_bytes", Type::GAUGE, "bytes", "app",
           "Its share of PassengerMemoryBudget; 0: none.", nullptr,
           [](App app, Samples &to) { to.add(app.memoryShare); }},
    Family{"passenger_app_queue_length", Type::GAUGE, "", "app", "Requests that wait for an instance.", nullptr,
           [](App app, Samples &to) { to.add(app.queue.waiting); }},
    Family{"passenger_app_queue_length_limit", Type::GAUGE, "", "app", "PassengerMaxRequestQueueSize; 0: none.",
           nullptr, [](App app, Samples &to) { to.add(app.queue.limit); }},
    Family{"passenger_app_queue_age_seconds", Type::GAUGE, "seconds", "app",
           "How long the oldest waiting request has waited.", nullptr,
           [](App app, Samples &to) { to.add(app.queue.oldest); }},
    Family{"passenger_app_last_spawn_seconds", Type::GAUGE, "seconds", "app",
           "How long the last start of an instance took; 0: none was seen.", nullptr,
           [](App app, Samples &to) { to.add(app.lastSpawnTime); }},

    Family{"passenger_app_requests", Type::COUNTER, "", "app", "Its requests that were answered whole.", nullptr,
           [](App app, Samples &to) { to.add(app.counters.requests); }},
    Family{"passenger_app_request_failures", Type::COUNTER, "", "app, reason",
           "Requests that no instance has answered whole, by reason: the queue was full (queue_full), their "
           "PassengerFairnessKey had its share (over_share), they waited too long (timed_out), the client has left "
           "(client_left), the instance died or sent a malformed answer (lost), PassengerMaxRequestTime (overran), no "
           "instance started (not_started). passenger_app_requests_total does not count them, but an answer "
           "whose fault shows after its last message.",
           nullptr,
           [](App app, Samples &to) {
               to.add(app.counters.refused, {{"reason", "queue_full"}});
               to.add(app.counters.overShare, {{"reason", "over_share"}});
               to.add(app.counters.timedOut, {{"reason", "timed_out"}});
               to.add(app.counters.clientsLeft, {{"reason", "client_left"}});
               to.add(app.counters.lost, {{"reason", "lost"}});
               to.add(app.counters.overran, {{"reason", "overran"}});
               to.add(app.counters.notStarted, {{"reason", "not_started"}});
           }},
    Family{"passenger_app_spawns", Type::COUNTER, "", "app", "Instances that were started.", nullptr,
           [](App app, Samples &to) { to.add(app.counters.spawned); }},
    Family{"passenger_app_spawn_failures", Type::COUNTER, "", "app", "Instances that did not start.", nullptr,
           [](App app, Samples &to) { to.add(app.counters.spawnsFailed); }},
    Family{"passenger_app_adoptions", Type::COUNTER, "", "app",
           "Instances that were taken over from an earlier pool process.", nullptr,
           [](App app, Samples &to) { to.add(app.counters.adopted); }},
    Family{"passenger_app_restarts", Type::COUNTER, "", "app", "Its restarts, such as deployments.", nullptr,
           [](App app, Samples &to) { to.add(app.counters.restarts); }},
    Family{"passenger_app_deploy_failures", Type::COUNTER, "", "app", "New versions that did not start.", nullptr,
           [](App app, Samples &to) { to.add(app.counters.deploysFailed); }},
    Family{"passenger_app_instance_ends", Type::COUNTER, "", "app, reason",
           "Ends of instances: unexpected (died), because of a limit (replaced), for want of room or memory (evicted), "
           "without work (idle).",
           nullptr,
           [](App app, Samples &to) {
               to.add(app.counters.died, {{"reason", "died"}});
               to.add(app.counters.replaced, {{"reason", "replaced"}});
               to.add(app.counters.evicted, {{"reason", "evicted"}});
               to.add(app.counters.idled, {{"reason", "idle"}});
           }},
    Family{"passenger_app_limit_effects", Type::COUNTER, "", "app, limit",
           "How often a limit of its control group had an effect: processes that the kernel has killed "
           "(PassengerMemoryMax, memory_kill), times at that limit (memory), processes and threads that the kernel has "
           "refused (PassengerTasksMax, tasks).",
           nullptr,
           [](App app, Samples &to) {
               to.add(app.counters.memoryKills, {{"limit", "memory_kill"}});
               to.add(app.counters.memoryReached, {{"limit", "memory"}});
               to.add(app.counters.tasksRefused, {{"limit", "tasks"}});
           }},
    Family{"passenger_app_reforks", Type::COUNTER, "", "app", "Preloaders that were replaced (PassengerReforkAfter).",
           nullptr, [](App app, Samples &to) { to.add(app.counters.reforked); }},
    Family{"passenger_app_refork_failures", Type::COUNTER, "", "app", "Preloaders that could not be replaced.", nullptr,
           [](App app, Samples &to) { to.add(app.counters.reforksFailed); }},
    Family{"passenger_app_queue_time_seconds", Type::HISTOGRAM, "seconds", "app",
           "How long requests waited for an instance: those that were answered whole, waited too long, or whose client "
           "has left.",
           nullptr,
           [](App app, Samples &to) { to.add(app.queueTime); }},
    Family{"passenger_app_service_time_seconds", Type::HISTOGRAM, "seconds", "app",
           "How long instances took for requests that were answered whole.", nullptr,
           [](App app, Samples &to) { to.add(app.serviceTime); }},
};

constexpr const char *OPEN_METRICS_TYPE = "application/openmetrics-text";

}  // namespace

Format formatFor(std::string_view accept) {
    double open = 0;
    double text = 0;
    for (const auto &[type, quality] : acceptedTypes(accept)) {
        if (type == OPEN_METRICS_TYPE) {
            open = std::max(open, quality);
        } else if (type == "text/plain") {
            text = std::max(text, quality);
        }
    }
    return open > 0 && open >= text ? Format::OPEN_METRICS : Format::TEXT;
}

const char *contentTypeOf(Format format) noexcept {
    return format == Format::OPEN_METRICS ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                          : "text/plain; version=0.0.4; charset=utf-8";
}

std::string render(const ServerStatus &status, Format format) {
    const bool open = format == Format::OPEN_METRICS;
    const Subject server("", status.since);
    const auto apps = listOf(status.apps, [](const AppStatus &app) { return Subject(app.name, app.since); });
    const std::vector<std::string> buckets = bucketLabels();
    std::string text;
    text.reserve(TYPICAL_SIZE * (apps.size() + 1));
    for (const Family &family : FAMILIES) {
        const char *suffix = !open && family.type == Type::COUNTER ? "_total" : "";
        fmt::format_to(std::back_inserter(text), "# TYPE {}{} {}\n", family.name, suffix, nameOf(family.type));
        if (open && *family.unit != '\0') {
            fmt::format_to(std::back_inserter(text), "# UNIT {} {}\n", family.name, family.unit);
        }
        fmt::format_to(std::back_inserter(text), "# HELP {}{} {}\n", family.name, suffix, family.help);
        Samples samples(text, open, family.name, family.type, buckets);
        if (family.ofServer != nullptr) {
            samples.of(server);
            family.ofServer(status, samples);
        } else {
            for (std::size_t index = 0; index < status.apps.size(); index++) {
                samples.of(apps[index]);
                family.ofApp(status.apps[index], samples);
            }
        }
    }
    text += open ? "# EOF\n" : "";
    return text;
}

std::vector<Description> descriptions() {
    return listOf(FAMILIES, [](const Family &family) {
        return Description{std::string(family.name) + (family.type == Type::COUNTER ? "_total" : ""),
                           nameOf(family.type), family.labels, family.help};
    });
}

}  // namespace Passenger::StatusMetrics
