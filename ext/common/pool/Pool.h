#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "io/Timer.h"
#include "pool/Group.h"
#include "pool/PoolContext.h"
#include "pool/SuperGroup.h"

namespace Passenger {

/**
 * The core of ApplicationPool2 (seeds 000, 001): finds or makes the instances of an application for a request. Says nothing about how
 * requests and answers travel.
 *
 * Owned by main(). Its destructor waits for all background threads, which need the event loop: it must not run on the loop, and the loop must
 * be running (seed 001; checked). All other methods are thread-safe; those that say so may block.
 */
class Pool {
public:
    struct Parts {
        EventLoop &loop;
        SpawnerFactory &factory;
        ChannelRegistry &channels;
        const Clock &clock;
        Deposits &deposits;
    };

    Pool(const Parts &parts, const PoolSettings &settings);
    ~Pool();
    Pool(const Pool &) = delete;
    Pool &operator=(const Pool &) = delete;

    /** Opens a session with an application, starting it when needed. Blocks until an instance is free; not on the event loop.
     *  @throws SpawnException, IOException (the pool is shutting down) */
    SessionPtr get(const Options &options);
    /** The same without blocking. The callback runs without locks held, on whatever thread made it possible. */
    void asyncGet(const Options &options, Group::GetCallback callback);

    /** What a sender needs for this application's line; starts the application if it is down. @param unusable a generation that was
     *  found closed. @throws RefusedException (it was closed because no instance could be made), IOException */
    Attachment attach(const Options &options, Generation unusable = Generation());

    /** Whether this application's instances take requests from a queue. */
    bool pulls(const Options &options) const {
        return context_.factory.instancesPull(options);
    }
    void configure(const PoolSettings &settings);
    void setMax(unsigned max);
    unsigned getActive() const;
    /** Instances that live, also those that are about to end. */
    unsigned getCount() const;
    pid_t getSpawnServerPid() const;
    /** Ends all instances; applications start again with their next request. */
    void clear();
    /** Ends everything, for good. Waiters are refused. */
    void shutDown();
    /** Process ids of the living instances, by application. */
    std::map<std::string, std::vector<pid_t>> instances() const;

    /** A child found all instances taken: looks at all Groups. */
    void rescale();
    /** Ends instances that were not needed for the idle time. To be called now and then. */
    void collectIdle();
    /** Looks at the restart files of all applications. Blocks on the file system: not on the event loop. */
    void checkRestarts();
    /** Where all applications' restart files are looked for. */
    std::vector<std::string> restartFolders() const;
    /** A process that sent requests is gone, with its channels. */
    void senderGone(std::uint32_t childSlot);
    /** A sender gave a channel up. */
    void channelGone(ChannelId channel, std::uint32_t groupSlot);
    /** A new channel's mark begins at zero. False: there is no such Group. */
    bool channelAdded(ChannelId channel, std::uint32_t groupSlot);

    ChannelRegistry &channels() noexcept {
        return context_.channels;
    }

private:
    friend class Group;

    // For Groups: what concerns the others too.
    bool makeRoom(Group &group) REQUIRES(poolLock);
    void rescaleAll() REQUIRES(poolLock);
    void released(Group &group, Process &process);
    void processDied(Group &group, const ProcessPtr &process);
    void processSent(Group &group, Process &process, const Frame &frame);

    Group &find(const Options &options) REQUIRES(poolLock);

    mutable PoolContext context_;
    /** By name; by slot, their place in the vector. Groups live as long as the Pool. */
    std::map<std::string, std::unique_ptr<SuperGroup>, std::less<>> superGroups_ GUARDED_BY(poolLock);
    std::vector<Group *> bySlot_ GUARDED_BY(poolLock);
    /** The file system is asked by one thread at a time. */
    Mutex restartCheck_{Locks::RESTART_CHECK};
    /** Runs while an application waits for room. */
    Timer roomTimer_;
};

}  // namespace Passenger
