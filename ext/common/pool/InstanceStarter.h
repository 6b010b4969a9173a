#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "exchange/Options.h"
#include "pool/ApplicationQueue.h"
#include "pool/GetFailure.h"
#include "pool/Instances.h"
#include "pool/PoolContext.h"
#include "pool/PreloaderCare.h"
#include "pool/Process.h"
#include "pool/QueuePause.h"
#include "pool/SpawnTask.h"
#include "pool/Spawns.h"
#include "pool/Succession.h"
#include "pool/Versions.h"
#include "spawning/CancelSwitch.h"

namespace Passenger {

/**
 * Starts the instances of an application, each in a background thread, from the order until the
 * instance serves. It spawns the process, or takes over one that an earlier pool process has left.
 * It gives the process the queue, and watches it. An instance that may not serve before its
 * predecessor has ended stands by meanwhile: it is paused, has passed its hooks, and is watched. A
 * new version takes over when it has as many instances as the requests need, so that its first one
 * is not alone with them. The first one starts companions before it serves. They stand by, too.
 *
 * Owned by the Group. Methods are called with the pool's lock held. What may block runs in the
 * threads, without the lock.
 */
class InstanceStarter {
public:
    /** What the Group does and learns. With the pool's lock held, prepare() excepted. */
    class Listener {
    public:
        virtual ~Listener() = default;
        /** An instance is about to be spawned. In its background thread.
         *  @return RestartFiles::seen() */
        virtual std::string prepare() EXCLUDES(poolLock) = 0;
        /** The first instance of a new version has loaded the application. Whether another one is
         *  to be ready before the version takes over. @param ready how many are
         *  @param forked a preloader would make it */
        virtual bool wantsCompanion(unsigned ready, bool forked) REQUIRES(poolLock) = 0;
        /** An instance of the current version has loaded the application. */
        virtual void loaded(const Process &process) REQUIRES(poolLock) = 0;
        /** The instance has begun to serve, or to stand by. @param wanted false: it was overtaken
         *  meanwhile, or its queue was replaced */
        virtual void joined(const SpawnTask &task, const ProcessPtr &process, bool wanted) REQUIRES(poolLock) = 0;
        /** No instance came, and there is no further attempt. */
        virtual void failed(const SpawnTask &task, GetFailure failure) REQUIRES(poolLock) = 0;
        /** An instance that counted for the limits is not wanted any more. */
        virtual void roomCame() REQUIRES(poolLock) = 0;
        /** The process of an instance that had joined has ended. */
        virtual void died(const ProcessPtr &process) REQUIRES(poolLock) = 0;
        /** A frame came from its control socket. */
        virtual void sent(Process &process, const Frame &frame) REQUIRES(poolLock) = 0;
    };

    /** What a starter works with. */
    struct Parts {
        const std::string &app;
        /** The present options of the application. */
        const Options &options;
        PoolContext &context;
        ApplicationQueue &queue;
        Instances &instances;
        const QueuePause &pause;
        Spawns &spawns;
        Versions &versions;
        const Succession &succession;
        PreloaderCare &preloader;
    };

    /** Everything outlives this object. */
    InstanceStarter(const Parts &parts, Listener &listener) : parts_(parts), listener_(listener) {}

    /**
     * Orders one instance. DEPLOY: only with a deployment.
     * @param replaces REPLACE: the instance that is due
     * @return false: no thread can be started, or could be a moment ago
     */
    bool start(SpawnTask::Purpose purpose, InstanceId replaces = InstanceId()) REQUIRES(poolLock);
    /** Orders that this instance of an earlier pool process is taken over. If that fails, another
     *  one is started. False: no thread can be started. */
    bool startAdoption(const std::string &orphan) REQUIRES(poolLock);
    /** An instance cannot be started: the application is told as of a start that has failed. */
    void refuse(GetFailure failure) REQUIRES(poolLock);
    /** No instance is wanted any more. Ends the waits for those that were told to serve. */
    void cancel() REQUIRES(poolLock);

private:
    SpawnTask order(SpawnTask::Purpose purpose) const REQUIRES(poolLock);
    bool run(const SpawnTask &task) REQUIRES(poolLock);
    void spawn(const SpawnTask &task) EXCLUDES(poolLock);
    bool adopt(const SpawnTask &task) EXCLUDES(poolLock);
    void attempt(const SpawnTask &task, const std::function<void()> &work) EXCLUDES(poolLock);
    ProcessPtr make(const SpawnTask &task, const std::string &restartFile) EXCLUDES(poolLock);
    void spawned(const SpawnTask &task, const ProcessPtr &process) EXCLUDES(poolLock);
    void startCompanions(const SpawnTask &first, const Process &process) EXCLUDES(poolLock);
    static unsigned concurrencyOf(const SpawnResult &result, const Options &options);
    static std::uint32_t cellsAtLeast(const Process &process, const Options &options);
    void putToWork(const SpawnTask &task, const ProcessPtr &process) EXCLUDES(poolLock);
    void watch(const ProcessPtr &process) EXCLUDES(poolLock);
    QueueGenerationPtr queueFor(const SpawnTask &task) const REQUIRES(poolLock);
    bool isOver(const SpawnTask &task) const REQUIRES(poolLock);
    bool wanted(const SpawnTask &task) const REQUIRES(poolLock);
    void concluded(const SpawnTask &task) REQUIRES(poolLock);
    void fail(const SpawnTask &task, GetFailure failure) REQUIRES(poolLock);
    bool tryAgain(const SpawnTask &task, const GetFailure &failure) REQUIRES(poolLock);
    void notLoaded(const std::string &reason) REQUIRES(poolLock);

    const Parts parts_;
    Listener &listener_;
    bool cancelled_ GUARDED_BY(poolLock) = false;
    /** No thread could be started: when to try again, and since when a line is due. */
    MonotonicTime notBefore_ GUARDED_BY(poolLock){};
    MonotonicTime nextLine_ GUARDED_BY(poolLock){};
    /** Ends the waits for instances that are taken over. */
    CancelSwitch adoptions_;
};

}  // namespace Passenger
