#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "exchange/Options.h"
#include "pool/ApplicationQueue.h"
#include "pool/ChannelLoans.h"
#include "pool/Demand.h"
#include "pool/Disuse.h"
#include "pool/FailureReports.h"
#include "pool/GetFailure.h"
#include "pool/HangWatch.h"
#include "pool/InstanceStarter.h"
#include "pool/Instances.h"
#include "pool/PoolContext.h"
#include "pool/PreloaderCare.h"
#include "pool/Process.h"
#include "pool/QueuePause.h"
#include "pool/Room.h"
#include "pool/Scaler.h"
#include "pool/SlowRequests.h"
#include "pool/Snapshot.h"
#include "pool/SpawnTask.h"
#include "pool/Spawns.h"
#include "pool/Succession.h"
#include "pool/UpkeepTimer.h"
#include "pool/Versions.h"
#include "restart/RestartFiles.h"

namespace Passenger {

/**
 * An application. The Group connects its parts, each of which owns one matter: the queue, the
 * instances, their number, the versions, the failures. It replaces instances that have answered
 * PassengerMaxRequests requests.
 *
 * Owned by its SuperGroup. All methods are called with the pool's lock held, on any thread.
 * Blocking work runs in background threads. InstanceStarter takes the lock for callbacks of
 * watchers.
 *
 * Always true for a request that waits: an instance serves or is being started, or the Group has
 * asked the Room for room. Or the deadlines have a date at which the Group tries again. Otherwise
 * the request is refused.
 */
class Group : private InstanceStarter::Listener {
public:
    /** Everything outlives this object. @param slot in the generation table. Links to the slot of
     *  generations up to the present one belong to an earlier application */
    Group(PoolContext &context, Room &room, UpkeepTimer &timer, const Options &options, std::uint32_t slot);

    const std::string &name() const noexcept { return name_; }
    std::uint32_t slot() const noexcept { return slot_; }
    Scaler &scaler() noexcept REQUIRES(poolLock) { return scaler_; }
    RestartFiles &restartFiles() noexcept { return restartFiles_; }
    /** Whether a start was ever begun. */
    bool hasStarted() const REQUIRES(poolLock) { return !spawns_.none() || restartFiles_.isFollowed(); }
    /** From now on the restart files are looked at with the rights of the application's user. In a
     *  background thread. False: the user cannot be determined. */
    bool beginRestarts() EXCLUDES(poolLock);
    /** The options of the last request that asked for the queue. */
    const Options &options() const noexcept REQUIRES(poolLock) { return options_; }
    Instances &instances() noexcept REQUIRES(poolLock) { return instances_; }
    const Instances &instances() const noexcept REQUIRES(poolLock) { return instances_; }
    ApplicationQueue &queue() noexcept REQUIRES(poolLock) { return queue_; }
    const ApplicationQueue &queue() const noexcept REQUIRES(poolLock) { return queue_; }

    /** What a sender needs for the queue. Makes the queue and starts an instance if there is none.
     *  @param options also those of a refused request count for the next attempt
     *  @param unusable a generation that was found closed
     *  @throws RefusedException (no instance could be made lately) */
    Attachment attach(const Options &options, Generation unusable) REQUIRES(poolLock);
    GroupSnapshot inspect(MonotonicTime now) const REQUIRES(poolLock);
    /** A balancer asks whether the application serves. If it fails, the question counts as the
     *  request that the next attempt needs, since the balancer sends none. It takes no room from
     *  other applications, and does not keep this one from being forgotten.
     *  @throws SystemException: there is no descriptor for a queue */
    void tryAgain(MonotonicTime now) REQUIRES(poolLock) {
        const bool over = shutDown_ || disuse_.isAbandoned() || pause_.until();
        if (isFailing() && !over && spawns_.none() && spawns_.mayTry(now) && room_.isFreeForSpares(scaler_, now)) {
            ask(now);
        }
    }

    // ----- How many instances

    /** Starts what is needed and allowed, and sets the next date. Called whenever the need or the
     *  room may have grown. */
    void rescale() REQUIRES(poolLock) { scaler_.rescale(); }
    /** Whether requests wait that may need another instance. */
    bool asks() const REQUIRES(poolLock) { return queue_.senders().wanted(); }
    /** The pool's settings have changed. */
    void settingsChanged() REQUIRES(poolLock) {
        hangs_.forgetLimits();
        rescale();
    }
    // ----- Whether it may be forgotten

    const Disuse &disuse() const noexcept REQUIRES(poolLock) { return disuse_; }
    /** Looks. @return whether it is to be forgotten */
    bool isForgettable(MonotonicTime now) REQUIRES(poolLock) { return !shutDown_ && disuse_.isOver(now); }
    bool isShutDown() const noexcept REQUIRES(poolLock) { return shutDown_; }
    /** Whether the link with this generation is one of this Group. The slot may have been another
     *  application's before. */
    bool owns(Generation generation) const noexcept { return bornAfter_ < generation; }

    /** The date of this Group on the deadlines has come. */
    void doWhatIsDue(MonotonicTime now) REQUIRES(poolLock);

    // ----- Orders

    /** The application has changed: its new version serves when the first instance is ready, or at
     *  once if nothing serves. @param reason what tells so
     *  @throws SystemException nothing has changed then */
    void restart(const std::string &reason) REQUIRES(poolLock);
    /** Whether always_restart.txt asks for one now: the newest instances had a request, and none is
     *  on its way. */
    bool mayAlwaysRestart() const REQUIRES(poolLock) { return succession_.mayAlwaysRestart(); }
    /** Ends the instance; another one comes for it where there is need. */
    void detach(const ProcessPtr &process) REQUIRES(poolLock);
    /** Instances take no request until then. A pause that holds already gets this end. */
    void pause(MonotonicTime until) REQUIRES(poolLock) {
        pause_.begin(until);
        rescale();
    }
    /** They take requests again. Does nothing if the queue is not paused. */
    void resume() REQUIRES(poolLock) {
        pause_.end("it was ordered");
        rescale();
    }
    /** Ends all instances; the next request starts new ones. */
    void clear() REQUIRES(poolLock);
    /** See Pool::abandon(). */
    void abandon() REQUIRES(poolLock) {
        disuse_.abandon();
        clear();
    }
    /** Ends the instances that a request of before the reload has started, once it has ended. */
    void endIfAbandoned() REQUIRES(poolLock) {
        if (disuse_.isAbandoned() && !instances_.empty() && spawns_.none() && demand_.isOver()) {
            clear();
        }
    }
    /** Ends everything, and cancels spawns. @param refuseQueued waiting requests, too. Otherwise
     *  their children look for the process that takes the place of this one */
    void shutDown(bool refuseQueued) REQUIRES(poolLock);

    // ----- Events

    /** An instance works at the request for longer than it may, `time`. False: none does. */
    bool requestOverran(ChannelId channel, Ticket ticket, std::chrono::milliseconds time) REQUIRES(poolLock);
    /** The answer to this request has not begun within `time`. */
    void requestIsSlow(ChannelId channel, Ticket ticket, std::chrono::milliseconds time) REQUIRES(poolLock) {
        slow_.note(channel, ticket, time, context_.clock.now());
    }
    void forgetChild(std::uint32_t childSlot) REQUIRES(poolLock) { queue_.senders().forgetChild(childSlot); }
    /** A new channel's mark begins at zero. */
    void channelAdded(ChannelId channel) REQUIRES(poolLock) { queue_.senders().reset(channel); }
    /** The channels will not be used again. */
    void channelsGone(const std::vector<ChannelId> &channels) REQUIRES(poolLock);
    /** See Scaler::replace(). */
    void requestReplacement(Process &process, const std::string &why) REQUIRES(poolLock) {
        scaler_.replace(process, why);
    }
    /** Whether it has files that are copied into our log, and a process that may write them. */
    bool isMonitored() const REQUIRES(poolLock) {
        return !options_.monitoredFiles.empty() && (!spawns_.none() || !instances_.empty());
    }

    /** Options for later starts. Ignores options of an earlier configuration: the child that sent
     *  them is about to end. */
    void takeOptions(const Options &options) REQUIRES(poolLock) {
        if (options.configuration < options_.configuration) {
            return;
        }
        if (options.user != options_.user || options.group != options_.group || options.appRoot != options_.appRoot ||
            options.startupFile != options_.startupFile) {
            restartFiles_.userMayDiffer();
        }
        options_ = options;
        restartFiles_.follow(options.appRoot, options.restartDir);
        hangs_.noteLimit(options.maxRequestTime);
        room_.memory().optionsCame(scaler_);
        if (succession_.follow(options)) {
            versionBegan();
        }
    }

private:
    // InstanceStarter::Listener
    std::string prepare() override EXCLUDES(poolLock);
    bool wantsCompanion(unsigned ready, bool forked) override REQUIRES(poolLock) {
        return scaler_.wantsCompanion(ready, forked);
    }
    void loaded(const Process &process) override REQUIRES(poolLock) {
        demand_.loaded(process.parts().isAsgi);
        rescale();
    }
    void joined(const SpawnTask &task, const ProcessPtr &process, bool wanted) override REQUIRES(poolLock);
    void failed(const SpawnTask &task, GetFailure failure) override REQUIRES(poolLock);
    void roomCame() override REQUIRES(poolLock) { scaler_.roomCame(); }
    void died(const ProcessPtr &process) override REQUIRES(poolLock);
    void sent(Process &process, const Frame &frame) override REQUIRES(poolLock);

    /** Whether no instance serves, and the last one did not start, or did not live. */
    bool isFailing() const REQUIRES(poolLock) { return instances_.serving() == 0 && spawns_.isFailing(); }
    /** A request is about to come. */
    void ask(MonotonicTime now) REQUIRES(poolLock) {
        if (!queue_.current()) {
            queue_.makeCurrent(context_.makeQueue(options_));
        }
        demand_.requested(now);
        rescale();
    }
    void versionBegan() REQUIRES(poolLock);
    GroupState state(MonotonicTime now) const REQUIRES(poolLock);
    void lostChannel(Process &process, ChannelId channel) REQUIRES(poolLock);
    void reportEarlyDeath(Process &process, MonotonicTime now) REQUIRES(poolLock);
    void goDown(const GetFailure &failure) REQUIRES(poolLock);
    void endHung(const ProcessPtr &process, std::chrono::milliseconds limit) REQUIRES(poolLock);
    void replaceNow(const ProcessPtr &process) REQUIRES(poolLock);

    PoolContext &context_;
    Room &room_;
    const std::string name_;
    const std::uint32_t slot_;
    /** The last generation of any application when this one was made. */
    const Generation bornAfter_;
    const MonotonicTime madeAt_;
    /** The options of the last request of the present configuration that asked for the queue, for
     *  new instances. */
    Options options_ GUARDED_BY(poolLock);
    RestartFiles restartFiles_;
    bool shutDown_ GUARDED_BY(poolLock) = false;
    AppCounters counters_ GUARDED_BY(poolLock);

    // The parts. A part refers only to parts above it.
    ApplicationQueue queue_ GUARDED_BY(poolLock);
    ChannelLoans loans_ GUARDED_BY(poolLock);
    Instances instances_ GUARDED_BY(poolLock);
    QueuePause pause_ GUARDED_BY(poolLock);
    Spawns spawns_ GUARDED_BY(poolLock);
    FailureReports reports_ GUARDED_BY(poolLock);
    Versions versions_ GUARDED_BY(poolLock);
    Demand demand_ GUARDED_BY(poolLock);
    PreloaderCare preloader_ GUARDED_BY(poolLock);
    Succession succession_ GUARDED_BY(poolLock);
    HangWatch hangs_ GUARDED_BY(poolLock);
    SlowRequests slow_ GUARDED_BY(poolLock);
    Disuse disuse_ GUARDED_BY(poolLock);
    InstanceStarter starter_;
    Scaler scaler_ GUARDED_BY(poolLock);
};

}  // namespace Passenger
