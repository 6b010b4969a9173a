#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/ControlService.h"
#include "agent/Drains.h"
#include "agent/KeptAnswers.h"
#include "control/ServerStatus.h"
#include "io/Frame.h"
#include "policy/SmoothWeights.h"
#include "pool/Pool.h"
#include "server/RequestHistory.h"
#include "spawning/AppResources.h"

namespace Passenger {

/**
 * Carries out the orders that commands and httpd's children send (doc/PROTOCOLS.md, section 5).
 * Root and the agent's own user may order everything, an application's user what concerns that
 * application. A child of httpd may only ask questions. The question HEALTH may start an instance
 * of an application that fails (Pool::tryAgain).
 *
 * Owned by the engine; ControlService calls answer() and tick() in its thread. Only reopening logs
 * may wait: for a file system.
 */
class ControlOrders {
public:
    struct Parts {
        Pool &pool;
        AppResources &resources;
        /** Opens the agent's log file and the applications' anew. May block.
         *  @throws IOException: the agent's could not be opened */
        std::function<void()> reopenLogs;
        /** What the pool does not know: version, pids, counters of the server. */
        std::function<ServerStatus()> server;
        /** Whether the first requests for PassengerPreStart are under way. */
        std::function<bool()> warmingUp;
        /** Keeps the text for the next pool process. */
        std::function<void(const std::string &)> keepDrains;
    };

    /** @param drains what an earlier pool process has kept; may be empty */
    ControlOrders(Parts parts, const std::string &drains);

    /** The answer to an order.
     *  @throws std::exception: the order is refused, and the text says why */
    Frame answer(const Asker &asker, const Frame &order);
    /** Called every RequestHistory::INTERVAL. */
    void tick();

private:
    /** How much of an application's past a status tells. */
    enum class Detail {
        NOTHING,
        /** For a list of applications: windows, and a point for each hour. */
        HOURS,
        /** Of one application: its events, windows, and a point for each quarter of an hour. */
        WHOLE
    };
    /** What is known of an application beside the pool. */
    struct Known {
        /** The time at which the pool made its Group, in seconds since 1970: its counters begin
         *  there. */
        double since = 0;
        MonotonicTime madeAt;
        /** When a request was last seen in work or answered, likewise; 0: never. */
        double lastUsed = 0;
        /** The count of its requests then. */
        std::uint64_t requests = 0;
        RequestHistory history;

        void note(std::chrono::system_clock::time_point now, const GroupSnapshot &group);
    };
    using Applications = std::vector<GroupSnapshot>;

    Known &known(const GroupSnapshot &group, std::chrono::system_clock::time_point now);
    const Applications &applications();
    std::string storedName(const std::string &shown);
    Frame status(const Asker &asker, const std::string &name, const std::string &detail);
    Frame threads(const Asker &asker, const std::string &name, bool ask);
    Frame report(const Asker &asker, const std::string &id);
    Frame restart(const Asker &asker, const std::string &name);
    Frame pause(const Asker &asker, const std::string &name, std::uint64_t seconds);
    Frame resume(const Asker &asker, const std::string &name);
    Frame detach(const Asker &asker, pid_t pid);
    Frame drain(const Asker &asker, const std::string &name, bool drains);
    Frame weight(const Asker &asker, const std::string &question, std::uint64_t measured);
    Frame reopenLogs(const Asker &asker);
    AppStatus describe(const GroupSnapshot &group, std::chrono::system_clock::time_point now, Detail detail);
    std::vector<AppStatus> unknownToPool(const Applications &groups) const;
    std::vector<RequestStatus> requestsOf(const std::string &name, bool queries) const;
    bool owns(const Asker &asker, const std::string &name) const;
    std::optional<uid_t> ownerOf(const std::string &name) const;
    void demand(const Asker &asker, const std::string &name);
    void carryOut(const Asker &asker, const std::string &name, const std::function<bool()> &order);

    const Parts parts_;
    KeptAnswers answers_;
    std::map<std::string, Known> known_;
    Drains drains_;
    /** What balancers were told. */
    SmoothWeights weights_;
    /** The last snapshot, for askers that come soon after each other. */
    Applications snapshot_;
    std::vector<OrphanSnapshot> orphans_;
    /** The server's status at the last snapshot, without applications. */
    ServerStatus server_;
    std::chrono::steady_clock::time_point snapshotAt_{};
    std::chrono::steady_clock::time_point silencesStayUntil_{};
};

}  // namespace Passenger
