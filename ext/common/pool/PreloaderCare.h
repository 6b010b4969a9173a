#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/Clock.h"
#include "base/Exceptions.h"
#include "exchange/Options.h"
#include "pool/PendingSpawns.h"
#include "pool/PoolContext.h"
#include "pool/Process.h"
#include "pool/SpawnTask.h"
#include "spawning/SpawnPlan.h"

namespace Passenger {

/**
 * Cares for the preloader of an application. Ends it when it has forked nothing for
 * PassengerMaxPreloaderIdleTime. Knows which instances come from a preloader that a refork
 * (PassengerReforkAfter) has made old (doc/ARCHITECTURE.md, "Reforking").
 *
 * Owned by the Group; guarded by the pool's lock.
 */
class PreloaderCare {
public:
    /** All arguments outlive this object. @param options of the application, as they are now */
    PreloaderCare(const std::string &app, const Options &options, BackgroundThreads &threads,
                  const PendingSpawns &pending)
        : app_(app), options_(options), threads_(threads), pending_(pending) {}

    /** An instance of the current version has been started. One of an earlier pool process tells
     *  nothing of the preloader. @param options those that it was started with */
    void joined(const Process &instance, const Options &options);
    /** Whether a preloader has the application loaded, as far as its instances have told, and the
     *  present options let it fork. */
    bool isLoaded() const { return loaded_ && *loaded_ == Load(options_); }
    void spawnEnded(MonotonicTime now) noexcept { lastSpawn_ = now; }
    /** When the preloader has forked nothing for long enough; nothing: not as it is now. */
    std::optional<MonotonicTime> restDate() const;
    /** Ends the preloader if that date has come: in a thread, since that blocks. Once after each
     *  spawn. */
    void restIfDue(const SpawnerPointer &spawner, MonotonicTime now);

    /** Whether a refork is under way. One at a time. */
    bool reforking() const noexcept { return reforking_; }
    /**
     * Has the instance fork the next preloader, in a background thread.
     * @param ended is called in that thread, with the pool's lock held: with why it failed, or
     *     nothing. Then reforked() or logFailure() is for the caller to call.
     */
    using Reforked = std::function<void(const std::optional<SpawnException> &)>;
    void refork(PoolContext &context, const ProcessPtr &instance, const SpawnerPointer &spawner, Reforked ended)
        REQUIRES(poolLock);
    /** The instance has made another preloader. */
    void reforked(const Process &instance, MonotonicTime now);
    void logFailure(const Process &instance, const SpawnException &failure) const;
    /** Whether the instance comes from a preloader that a refork has made old. */
    bool isCold(const Process &process) const noexcept { return coldOrigin_ && process.parts().origin == coldOrigin_; }

private:
    /** The options that decide whether a preloader can be used. */
    struct Load {
        explicit Load(const Options &options);
        bool operator==(const Load &) const = default;

        SpawnPlan plan;
        std::string spawnMethod;
        std::string startCommand;
    };
    static std::optional<SpawnException> fork(PoolContext &context, const ProcessPtr &instance, Spawner &spawner,
                                              const Options &options) EXCLUDES(poolLock);

    const std::string &app_;
    const Options &options_;
    BackgroundThreads &threads_;
    const PendingSpawns &pending_;
    /** When a spawn last ended, since the preloader was told to rest. */
    std::optional<MonotonicTime> lastSpawn_;
    bool reforking_ = false;
    std::optional<Load> loaded_;
    /** The preloader that the last refork made old. */
    std::shared_ptr<const Origin> coldOrigin_;
};

}  // namespace Passenger
