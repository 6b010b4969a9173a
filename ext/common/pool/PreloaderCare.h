#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <tl/expected.hpp>

#include "base/AppCounters.h"
#include "base/Clock.h"
#include "base/Exceptions.h"
#include "exchange/Options.h"
#include "pool/Instances.h"
#include "pool/PoolContext.h"
#include "pool/Process.h"
#include "pool/SpawnTask.h"
#include "pool/Spawns.h"
#include "pool/Versions.h"
#include "spawning/Preloader.h"
#include "spawning/SpawnPlan.h"

namespace Passenger {

/**
 * Cares for the preloader of an application. Ends it when it has forked nothing for
 * PassengerMaxPreloaderIdleTime. Has a warm instance (PassengerReforkAfter) fork the next
 * preloader, and the instances of the old one replaced (doc/ARCHITECTURE.md, "Reforking").
 *
 * Owned by the Group; guarded by the pool's lock.
 */
class PreloaderCare {
public:
    /** What it works with. */
    struct Parts {
        const std::string &app;
        /** The present options of the application. */
        const Options &options;
        PoolContext &context;
        const Spawns &spawns;
        const Instances &instances;
        const Versions &versions;
        AppCounters &counters;
    };
    /** What it has done by others. Called with the pool's lock held. */
    struct Events {
        /** See Scaler::replace(). */
        std::function<void(Process &process, const std::string &why)> replace;
        /** There is another restDate(). */
        std::function<void()> changed;
    };

    /** Everything outlives this object. */
    PreloaderCare(const Parts &parts, Events events) : parts_(parts), events_(std::move(events)) {}

    /** An instance of the current version has been started. One of an earlier pool process tells
     *  nothing of the preloader. @param options those that it was started with */
    void joined(const Process &instance, const Options &options);
    /** Whether a preloader lives that has the application loaded, as far as its instances have
     *  told, and the present options let it fork. */
    bool isLoaded() const {
        return loaded_ && !(preloader_ && preloader_->hasEnded()) && *loaded_ == Load(parts_.options);
    }
    /** A fork has found no preloader. */
    void notLoaded() noexcept { loaded_.reset(); }
    void spawnEnded(MonotonicTime now) noexcept { lastSpawn_ = now; }
    /** When the preloader has forked nothing for long enough; nothing: not as it is now. */
    std::optional<MonotonicTime> restDate() const;
    /** Ends the preloader if that date has come: in a thread, since that blocks. Once after each
     *  spawn. */
    void restIfDue(MonotonicTime now);

    /** Whether a refork is under way. One at a time. */
    bool reforking() const noexcept { return reforking_; }
    /** The instance has answered Options::reforkAfter requests: it forks the next preloader, in a
     *  background thread. Not while the files are of another version: only a preloader whose forks
     *  live can start this one. */
    void warm(const Process &process) REQUIRES(poolLock);
    /** Has the instance replaced if it comes from a preloader that a refork has made old. Called
     *  also for an instance whose start began before the refork. */
    void replaceIfCold(Process &process) REQUIRES(poolLock);

private:
    /** The options that decide whether a preloader can be used. */
    struct Load {
        explicit Load(const Options &options);
        bool operator==(const Load &) const = default;

        SpawnPlan plan;
        std::string spawnMethod;
        std::string startCommand;
    };
    /** The new preloader, or why there is none. */
    using Reforked = tl::expected<std::shared_ptr<const Origin>, SpawnException>;
    Reforked fork(const ProcessPtr &instance, Spawner &spawner, const Options &options) EXCLUDES(poolLock);
    void ended(const Process &instance, const Reforked &reforked) REQUIRES(poolLock);
    void logFailure(const Process &instance, const SpawnException &failure) const;

    const Parts parts_;
    const Events events_;
    /** When a spawn last ended, since the preloader was told to rest. */
    std::optional<MonotonicTime> lastSpawn_;
    bool reforking_ = false;
    std::optional<Load> loaded_;
    /** The preloader that forked the last instance, or that a refork has made since. Null: there is
     *  none. */
    std::shared_ptr<const Origin> preloader_;
    /** The preloader that the last refork made old. */
    std::shared_ptr<const Origin> coldOrigin_;
};

}  // namespace Passenger
