#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/SystemUserDatabase.h"
#include "io/AgentSettings.h"
#include "io/Frame.h"
#include "rights/GrantsInForce.h"
#include "rights/OwnerSearch.h"
#include "rights/Rights.h"
#include "rights/UserResolver.h"

namespace Passenger {

/**
 * Decides about requests of the pool process and has them carried out with root's rights, by an
 * OwnRights. Paths, programs and users come from the settings of httpd's parent, or are checked
 * against them; the pool process may have been taken over. Every right is a row of rights(), whose
 * comment, or that of its method, says what limits it.
 *
 * Owned by the rights process, and copied into each process that serves a connection by fork().
 * Used by one thread.
 */
class RightsServer {
public:
    /** @param own carries the requests out; outlives this object
     *  @param agent the anchor: the ancestor of all processes that requests may be about */
    RightsServer(Rights &own, pid_t agent)
        : own_(own), agent_(agent), resolver_(database_, ownersBy(database_), grants_) {}
    RightsServer(const RightsServer &) = delete;
    RightsServer &operator=(const RightsServer &) = delete;

    /** All verbs that answer() knows. */
    static std::vector<std::string> verbs();

    void configure(AgentSettings settings);
    /** @param user the pool process's: nothing else is started as this one
     *  @param pool its pid; 0: the agent is of an earlier version, and no process gets a group */
    void usePool(uid_t user, pid_t pool) noexcept {
        agentUser_ = user;
        pool_ = pool;
    }
    /** Answers one RIGHTS_REQUEST. @return RIGHTS_DONE, or AGENT_FAILED */
    Frame answer(Frame request);
    /** A signal for a process of an application. @return why it is refused; empty: it was sent */
    std::string signal(const FileDescriptor &pidFd, int signal);

    /** More room for a queue, at most MOST_ROOM bytes. */
    void giveRoom(const FileDescriptor &socket, std::uint64_t bytes) noexcept;

    /** RIGHTS_END_GROUP: ends a group, or all groups of other pool processes than this one. */
    void endGroups(const Frame &order);

private:
    struct Right {
        const char *verb;
        std::function<Frame(RightsServer &server, Frame &request)> carryOut;
    };
    using Open = decltype(&Rights::openForReading);
    static const std::vector<Right> &rights();

    Frame carryOut(Frame &request);
    Frame userOf(Frame &request);
    Frame startSpawnServer(Frame &request);
    Frame startPreStart(Frame &request);
    Frame startEventCommand(Frame &request);
    void refuseUser(const std::string &name);
    Frame joinGroup(Frame &request);
    Frame open(const Frame &request, Open open);
    template <typename One> Frame look(const Frame &request, One one);
    Frame modified(Frame &request);
    Frame watch(Frame &request);
    Frame facts(Frame &request);
    Frame memory(Frame &request);
    Frame makeRegistry(Frame &request);
    Frame removeRegistry(Frame &request);

    tl::expected<RunAs, std::string> resolve(Options options);
    void useSettings(Options &options) const;
    RunAs ownerIn(const Options::Variables &given);
    bool hasOneUser() const;

    AgentSettings settings_;
    std::optional<uid_t> agentUser_;
    pid_t pool_ = 0;
    Rights &own_;
    const pid_t agent_;
    const SystemUserDatabase database_;
    GrantsInForce grants_;
    const UserResolver resolver_;
    /** The files that the configuration names, now and before the last change. */
    std::string namedFiles_;
    std::string earlierNamedFiles_;
    /** A reload has changed the folder: the pool process has yet to leave this one. */
    std::string earlierRegistryDir_;
};

}  // namespace Passenger
