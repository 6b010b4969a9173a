#pragma once

#include <sys/types.h>
#include <atomic>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include <tl/expected.hpp>

#include "exchange/GroupName.h"
#include "exchange/QueueHost.h"
#include "exchange/Session.h"
#include "loop/Timer.h"
#include "pool/CpuLoad.h"
#include "pool/Deadlines.h"
#include "pool/Group.h"
#include "pool/PoolContext.h"
#include "pool/Snapshot.h"
#include "pool/SuperGroup.h"
#include "spawning/SpawnerFactory.h"

namespace Passenger {

class LocalSender;

using GetOutcome = tl::expected<SessionPtr, GetFailure>;
using GetCallback = std::function<void(GetOutcome)>;

/**
 * The core of ApplicationPool2 (doc/ORIGINS.md): finds or makes the instances of an application for
 * a request. The Pool does not carry requests or answers.
 *
 * Owned by main(). The destructor waits for all background threads, which need the event loop: it
 * must not run on the loop, and the loop must be running (checked; doc/THREADING.md). All other
 * methods are thread-safe; those that say so may block.
 */
class Pool {
public:
    struct Parts {
        EventLoop &loop;
        SpawnerFactory &factory;
        ChannelRegistry &channels;
        const Clock &clock;
        DescriptorStore &store;
        CpuLoad &cpu;
        /** Whether the Pool calls upkeep() by itself when there is something to do. Tests that make time pass call it themselves. */
        bool ownTimer = true;
        /** Bytes of memory that an instance uses, if that can be told. May block. None: memory limits have no effect. */
        std::function<std::optional<std::uint64_t>(const Process &)> measureMemory{};
    };

    Pool(const Parts &parts, const PoolSettings &settings);
    ~Pool();
    Pool(const Pool &) = delete;
    Pool &operator=(const Pool &) = delete;

    // ----- Pool.cpp: requests

    /** A session with an application, not yet started. Does not wait for an instance. @throws IOException (shutting down), SystemException */
    SessionPtr get(const Options &options);
    /** The same by a callback, which runs before this returns, without locks held. */
    void asyncGet(const Options &options, const GetCallback &callback);
    /** A recent report of a failure; null: there is none with this id, or not any more. */
    std::shared_ptr<const Report> report(std::string_view id, std::string_view app) const;
    /** What a sender needs for this application's line; starts the application if it is down. @param unusable a generation that
     *  was found closed. @throws RefusedException (no instance could be made), IOException */
    Attachment attach(const Options &options, Generation unusable = Generation());
    /** What one session with an application needs of this process. @throws IOException (shutting down), SystemException */
    QueueHostPtr host(const Options &options) EXCLUDES(poolLock);
    /** Ends everything, for good. Waiters are refused. */
    void shutDown();
    /** The same for the pool of other processes: their requests are not refused, but look for the pool that takes this one's place. */
    void leave();

    // ----- PoolOperations.cpp: what people order and ask

    void configure(const PoolSettings &settings);
    /** Idle instances above it end, those that are busy stay; below their number, nobody starts another one. */
    void setMax(unsigned max);
    unsigned getActive() const;
    /** Instances that live, also those that are about to end. */
    unsigned getCount() const;
    pid_t getSpawnServerPid() const;
    /** Ends all instances; applications start again with their next request. */
    void clear();
    /** Everything, at one moment. */
    PoolSnapshot inspect() const;
    /** Process ids of the living instances, by application. */
    std::map<std::string, std::vector<pid_t>> instances() const;
    /** As if its restart file had changed. @param name of the SuperGroup. False: there is none. */
    bool restart(const std::string &name);
    /** Ends an instance when it is done; another one comes for it where there is need. False: there is no such instance. */
    bool detach(InstanceId instance);
    enum class Disabling { DONE, UNKNOWN_INSTANCE, LAST_ONE };
    /** Gives an instance no requests until it is enabled. LAST_ONE: nobody would be left to serve, nor is there room for another. */
    Disabling disable(InstanceId instance);
    bool enable(InstanceId instance);

    // ----- PoolUpkeep.cpp: looking after things

    /** Does what is due by the clock: ends idle instances, refuses who has waited too long, tries again. */
    void upkeep();
    /** A child found all instances taken: looks at the Groups whose requests wait. */
    void rescale();
    /** Looks at the restart files of all applications, or of one. Blocks on the file system: not on the event loop. */
    void checkRestarts() EXCLUDES(restartCheck_);
    void checkRestart(const Options &options) EXCLUDES(restartCheck_);
    /** Where all applications' restart files are looked for; but for those of which it is not known yet with whose rights. */
    std::vector<RestartFolder> restartFolders() const;
    /** Applications with files to be copied into our log, as their options are now: those that have an instance, or one on its way. */
    std::vector<Options> monitored() const;
    /** Measures instances that have a memory limit; upkeep() has it done every few seconds. Blocks on the file system. */
    void checkMemory();
    /** A process that sent requests is gone, with its channels. */
    void senderGone(std::uint32_t childSlot);
    /** A sender gave channels up; those that are not its own it keeps. */
    void channelsGone(std::uint32_t childSlot, std::span<const ChannelId> channels);
    /** Kills the instance that works at this request of that sender's, which took longer than it may (`time`). False: there is none. */
    bool requestOverran(std::uint32_t childSlot, std::uint32_t groupSlot, ChannelId channel, Ticket ticket,
                        std::chrono::milliseconds time);
    /** A new channel's mark begins at zero. False: there is no such Group. */
    bool channelAdded(ChannelId channel, std::uint32_t groupSlot);

    ChannelRegistry &channels() noexcept {
        return context_.channels;
    }
    const Clock &clock() const noexcept {
        return context_.clock;
    }

    // ----- For watchers: they come in without the lock.

    void processDied(Group &group, const ProcessPtr &process);
    void processSent(Group &group, Process &process, const Frame &frame);

    // ----- PoolRoom.cpp, for Groups: what concerns the others too.

    /** Whether the group may start one more. If not, it is remembered, and room is made for it where that is fair. */
    bool admit(Group &group, MonotonicTime now) REQUIRES(poolLock);
    /** The group wants nothing any more. */
    void satisfied(Group &group) REQUIRES(poolLock);
    bool wantsRoom(const Group &group) const REQUIRES(poolLock);
    /** Whether the group may start one that takes another one's place. If not, it is remembered. */
    bool admitReplacement(Group &group) REQUIRES(poolLock);
    /** It does not want to any more, or is about to ask anew. */
    void withdrawReplacement(const Group &group) REQUIRES(poolLock);
    bool hasRoom() const REQUIRES(poolLock);
    /** Whether there is room that nobody wants: the group may start one to be spare, and makes nobody end one for it. */
    bool hasRoomToSpare() const REQUIRES(poolLock);
    /** An instance ended or became free: looks at those that want room. */
    void roomMayHaveCome() REQUIRES(poolLock);
    /** When instances with a memory limit are measured next; nothing: never. */
    std::optional<MonotonicTime> nextMemoryCheck() const REQUIRES(poolLock);
    /** When the group is to be looked at again; nothing: not for itself. */
    void setDate(Group &group, std::optional<MonotonicTime> date) REQUIRES(poolLock);

private:
    Group &find(const Options &options) REQUIRES(poolLock);
    unsigned size() const REQUIRES(poolLock);
    unsigned draining() const REQUIRES(poolLock);
    unsigned olderWishes(const Group &group) const REQUIRES(poolLock);
    /** Groups with an instance that could go, and what is known of each. */
    struct Candidates {
        std::vector<Group *> groups;
        std::vector<RoomCandidate> rooms;
    };
    Candidates candidates(const Group *except) const REQUIRES(poolLock);
    Group *chooseVictim(const RoomRequest &request, const Group *except, MonotonicTime now) const REQUIRES(poolLock);
    bool replacing() const REQUIRES(poolLock);
    void trim() REQUIRES(poolLock);
    void arm() REQUIRES(poolLock);
    void startMemoryCheck(MonotonicTime now) REQUIRES(poolLock);
    void checkRestarts(const std::vector<Group *> &groups) REQUIRES(restartCheck_) EXCLUDES(poolLock);
    bool knowsWhoseRestarts(Group &group) EXCLUDES(poolLock);
    using Order = std::function<void(Group &, const ProcessPtr &)>;
    bool order(InstanceId instance, const Order &what) EXCLUDES(poolLock);

    mutable PoolContext context_;
    const bool ownTimer_;
    std::atomic<bool> leaves_{false};
    const std::function<std::optional<std::uint64_t>(const Process &)> measureMemory_;
    /** By name; by slot, their place in the vector. Groups live as long as the Pool. */
    std::unordered_map<std::string, std::unique_ptr<SuperGroup>, GroupNameHash, GroupNameEqual> superGroups_
        GUARDED_BY(poolLock);
    std::vector<Group *> bySlot_ GUARDED_BY(poolLock);
    /** Made with the first session of this process. */
    std::unique_ptr<LocalSender> sender_ GUARDED_BY(poolLock);
    /** Groups that could not start what they want for lack of room, by slot; and those that could not start a replacement. */
    std::map<std::uint32_t, Group *> wishes_ GUARDED_BY(poolLock);
    std::map<std::uint32_t, Group *> replacementWishes_ GUARDED_BY(poolLock);
    Deadlines<Group> deadlines_ GUARDED_BY(poolLock);
    std::optional<MonotonicTime> armedFor_ GUARDED_BY(poolLock);
    MonotonicTime nextMemoryCheck_ GUARDED_BY(poolLock){};
    bool checkingMemory_ GUARDED_BY(poolLock) = false;
    /** The file system is asked by one thread at a time. */
    Mutex restartCheck_{Locks::RESTART_CHECK};
    /** Fires at the deadlines's next date. */
    Timer timer_;
};

}  // namespace Passenger
