#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "control/AppStatus.h"
#include "exchange/MessageSession.h"
#include "exchange/QueueHost.h"
#include "pool/CpuLoad.h"
#include "pool/Group.h"
#include "pool/Groups.h"
#include "pool/MemoryCheck.h"
#include "pool/PoolContext.h"
#include "pool/RestartCheck.h"
#include "pool/Room.h"
#include "pool/SenderEvents.h"
#include "pool/Snapshot.h"
#include "pool/UpkeepTimer.h"
#include "spawning/SpawnerFactory.h"

namespace Passenger {

class LocalSender;

/**
 * The core of ApplicationPool2 (doc/ORIGINS.md): finds or makes the instances of an application for
 * a request. The Pool does not carry requests or answers.
 *
 * Owned by main(). The destructor waits for all background threads, which need the event loop. So
 * it must not run on the loop, and the loop must be running (checked; doc/THREADING.md). All other
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
        /**
         * Whether the Pool calls upkeep() itself at its dates. Tests with a clock of their own call
         * it.
         */
        bool ownTimer = true;
        /**
         * The memory of an instance in bytes, if it can be measured. May block. None: memory limits
         * have no effect.
         */
        MemoryCheck::Measure measureMemory{};
        /** Null: no pressure is known. */
        MemoryCheck::Pressure memoryPressure{};
        /** Applications that may be known at once. */
        std::uint32_t maxApplications = GenerationLayout::GROUPS;
    };

    Pool(const Parts &parts, const PoolSettings &settings);
    ~Pool();
    Pool(const Pool &) = delete;
    Pool &operator=(const Pool &) = delete;

    /** What an earlier pool process has left. Before all other calls. */
    void restore(const std::string &key, const std::string &note, std::vector<FileDescriptor> descriptors)
        EXCLUDES(poolLock);

    // ----- Requests

    /**
     * A session with an application, not yet started. Does not wait for an instance. Only tests
     * and a benchmark call it: httpd's children ask for the queue.
     * @throws RefusedException (shutting down), SystemException
     */
    MessageSessionPtr get(const Options &options);
    /** A recent report of a failure; null: there is none with this id, or not any more. */
    std::shared_ptr<const Report> report(std::string_view id, std::string_view app) const;
    /** A recent report of a failure of any application; null: there is none with this id. */
    std::shared_ptr<const Report> report(std::string_view id) const;
    /**
     * What a sender needs for this application's queue. Starts the application if it is down.
     * @param unusable a generation that was found closed
     * @throws RefusedException (no instance could be made, shutting down), IOException
     */
    Attachment attach(const Options &options, Generation unusable = Generation());
    /** Options for later starts of an application. False: the pool does not know the application,
     *  or shuts down, or the restart that the options cause has failed. */
    bool takeOptions(const Options &options) noexcept;
    /**
     * What the sessions of this application need of this process.
     * @throws RefusedException (shutting down), SystemException
     */
    QueueHostPtr host(const Options &options) EXCLUDES(poolLock);
    /** Ends everything, for good. Waiting requests are refused. */
    void shutDown();
    /**
     * Ends everything in a pool that serves other processes, for good. Their requests are not
     * refused: the children look for the pool that takes the place of this one.
     */
    void leave();

    // ----- Orders and questions

    void configure(const PoolSettings &settings);
    /** Idle instances above the limit end, and busy ones stay. No instance is started above it. */
    void setMax(unsigned max);
    unsigned getActive() const;
    /** Instances that live, those included that are about to end, or that an earlier pool process
     *  has left. */
    unsigned getCount() const;
    /** The longest time from SIGTERM to SIGKILL of the applications that have instances. */
    std::chrono::seconds longestStop() const EXCLUDES(poolLock);
    /** Whether instances of an earlier pool process live that were not taken over. */
    bool hasOrphans() const EXCLUDES(poolLock) { return !context_.orphans.empty(); }
    std::vector<OrphanSnapshot> orphans() const EXCLUDES(poolLock) { return context_.orphans.inspect(); }
    pid_t getSpawnServerPid() const;
    /** Ends all instances; applications start again with their next request. */
    void clear();
    /**
     * httpd's configuration has the application no more. Its instances end when their requests are
     * answered, also those that an earlier pool process has left. It is forgotten then, unless a
     * child asks for it again. Does nothing if there is none with this name.
     */
    void abandon(const std::string &name);
    std::vector<Options> applications() const;
    /** Everything; each application at one moment. Many applications do not hold the lock for
     *  long. */
    PoolSnapshot inspect() const;
    /** The requests of an application in flight, the oldest first; `most` at most. */
    std::vector<RequestStatus> requests(const std::string &name, std::size_t most) const;
    /** Asks the instances of an application where their threads are. False: there is none. */
    bool askForThreads(const std::string &name);
    /** The stacks that the instances have sent since askForThreads(). */
    std::vector<ThreadsSnapshot> threads(const std::string &name) const;
    /** Restarts an application, as if its restart file had changed. @param name of the SuperGroup.
     *  False: there is none. */
    bool restart(const std::string &name);
    /**
     * Ends an instance when its requests are answered; another one comes where there is need.
     * False: there is no such instance.
     */
    bool detach(InstanceId instance);
    /**
     * Lets the requests of an application wait, at most for this time. Requests in work go on. A
     * restart meanwhile starts instances, which wait, too. False: the application is neither known
     * nor paused, and has no instances that wait for their take-over.
     * @throws IOException as QueuePauses::begin()
     */
    bool pause(const std::string &name, std::chrono::nanoseconds most);
    /** Ends a pause. False: the application is neither known nor paused. */
    bool resume(const std::string &name);

    /** How long the queues of these applications remain paused. */
    std::map<std::string, std::chrono::nanoseconds> pauses() const;
    /** The note about pauses for the store. */
    std::string pausesNote() const;
    /** A balancer asks whether the application serves: Group::tryAgain(). */
    void tryAgain(const std::string &name);

    // ----- By the clock, by files, and from senders

    /** Does what is due by the clock: looks at the Groups whose date has come. */
    void upkeep();
    /** A child found all instances taken: looks at the Groups whose requests wait. */
    void rescale();
    /** See RestartCheck::check(). */
    bool checkRestarts() EXCLUDES(poolLock) { return restarts_.check(); }
    void checkRestart(const std::string &name) noexcept EXCLUDES(poolLock) { restarts_.check(name); }
    /** See RestartCheck::ask(). */
    void askForRestart(const std::string &name, RestartCheck::Done done) EXCLUDES(poolLock) {
        restarts_.ask(name, std::move(done));
    }
    std::vector<RestartFolder> restartFolders() const EXCLUDES(poolLock) { return restarts_.folders(); }
    /**
     * The options of the applications whose files are copied into our log: those that have an
     * instance, or one on its way.
     */
    std::vector<Options> monitored() const;
    /** See MemoryCheck::check(). upkeep() has it done every few seconds. */
    void checkMemory() EXCLUDES(poolLock) { memory_.check(); }
    /** Has memory and CPU time of all instances measured for inspect(), if that began at least so
     *  long ago. */
    void refreshFigures(std::chrono::nanoseconds oldest) {
        const PoolGuard guard(context_);
        memory_.refresh(oldest);
    }
    /** Whether upkeep() or refreshFigures() has had a check begun that has not ended. */
    bool checksMemory() const {
        const PoolGuard guard(context_);
        return memory_.isRunning();
    }
    /** What senders tell, and their ends. */
    SenderEvents &senders() noexcept { return senderEvents_; }

    ChannelRegistry &channels() noexcept { return context_.channels; }
    const Clock &clock() const noexcept { return context_.clock; }

private:
    using Order = std::function<void(Group &, const ProcessPtr &)>;
    bool order(InstanceId instance, const Order &what) EXCLUDES(poolLock);

    mutable PoolContext context_;
    std::atomic<bool> leaves_{false};
    /** Made with the first session of this process. */
    std::unique_ptr<LocalSender> sender_ GUARDED_BY(poolLock);
    Room room_ GUARDED_BY(poolLock);
    UpkeepTimer timer_;
    Groups groups_;
    SenderEvents senderEvents_;
    RestartCheck restarts_;
    MemoryCheck memory_;
};

}  // namespace Passenger
