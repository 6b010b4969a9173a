#include "pool/PreloaderCare.h"

#include <exception>
#include <vector>

#include "base/Split.h"
#include "log/Log.h"

namespace Passenger {

/** The names of user and group stand for the rights, which a look into files determines. */
PreloaderCare::Load::Load(const Options &options)
    : plan(options, RunAs{options.user, options.group, 0, 0, {}},
           options.variables ? options.variables() : Options::Variables()),
      spawnMethod(options.spawnMethod),
      startCommand(options.startCommand) {}

void PreloaderCare::joined(const Process &instance, const Options &options) {
    const auto &origin = instance.parts().origin;
    if (!instance.former()) {
        loaded_ = origin ? std::optional(Load(options)) : std::nullopt;
        preloader_ = origin == coldOrigin_ ? preloader_ : origin;
    }
}

std::optional<MonotonicTime> PreloaderCare::restDate() const {
    // During a deployment, and after one that failed, the preloader alone can start the version
    // that serves.
    if (!lastSpawn_ || parts_.versions.deployment() || parts_.versions.failure() || parts_.spawns.starting() > 0 ||
        parts_.options.maxPreloaderIdleTime == std::chrono::seconds(0)) {
        return std::nullopt;
    }
    return *lastSpawn_ + parts_.options.maxPreloaderIdleTime;
}

void PreloaderCare::restIfDue(MonotonicTime now) {
    const SpawnerPointer &spawner = parts_.versions.spawner();
    const std::optional<MonotonicTime> date = restDate();
    if (!date || now < *date || !spawner) {
        return;
    }
    lastSpawn_.reset();
    loaded_.reset();
    try {
        parts_.context.threads.run("rest", [spawner] { spawner->rest(); });
        Log::info("event=preloader.idle app=\"{}\"", parts_.app);
    } catch (const std::exception &error) {
        Log::error("event=preloader.not_ended app=\"{}\" error=\"{}\"", parts_.app, error.what());
    }
}

void PreloaderCare::warm(const Process &process) {
    const ProcessPtr instance = parts_.instances.find(process.id());
    // Null after the shutdown.
    const SpawnerPointer spawner = parts_.versions.spawner();
    if (!instance || instance->state() != Process::State::SERVING || instance->lifecycle().isDue() || reforking_ ||
        instance->version() != parts_.versions.current() || !spawner || spawner->loadsNothing() ||
        !instance->parts().origin) {
        return;
    }
    try {
        parts_.context.threads.run("refork", [this, instance, spawner, options = parts_.options] {
            const Reforked reforked = fork(instance, *spawner, options);
            const PoolGuard guard(parts_.context);
            reforking_ = false;
            // A restart may have come meanwhile, which is no failure.
            const bool overtaken = spawner != parts_.versions.spawner() || (!reforked && spawner->loadsNothing());
            if (!overtaken && !parts_.context.shuttingDown) {
                ended(*instance, reforked);
            }
        });
        reforking_ = true;
    } catch (const std::exception &error) {
        Log::error("event=refork.not_started app=\"{}\" error=\"{}\"", parts_.app, error.what());
    }
}

/** In a background thread. */
PreloaderCare::Reforked PreloaderCare::fork(const ProcessPtr &instance, Spawner &spawner, const Options &options) {
    const auto send = [&](const Frame &frame, const std::vector<int> &descriptors) {
        const PoolGuard guard(parts_.context);
        if (instance->state() != Process::State::SERVING) {
            throw SpawnException("the instance no longer serves");
        }
        if (!instance->link().send(frame, descriptors)) {
            throw SpawnException("too many descriptors are in flight");
        }
    };
    try {
        return spawner.refork(options,
                              WarmInstance{instance->pid(), instance->parts().origin, send, instance->parts().group});
    } catch (const SpawnException &error) {
        return tl::unexpected(error);
    } catch (const std::exception &error) {
        return tl::unexpected(SpawnException(error.what()));
    }
}

/** Instances that start from now on share the memory of the instance that forked the new preloader.
 *  Instances of the old preloader are replaced, one at a time. */
void PreloaderCare::ended(const Process &instance, const Reforked &reforked) {
    if (!reforked) {
        parts_.counters.reforksFailed++;
        logFailure(instance, reforked.error());
        return;
    }
    parts_.counters.reforked++;
    lastSpawn_ = parts_.context.clock.now();
    coldOrigin_ = instance.parts().origin;
    preloader_ = *reforked;
    for (const ProcessPtr &process : parts_.instances.all()) {
        replaceIfCold(*process);
    }
    events_.changed();
}

void PreloaderCare::replaceIfCold(Process &process) {
    if (coldOrigin_ && process.parts().origin == coldOrigin_) {
        events_.replace(process, "a warmed instance has made another preloader (PassengerReforkAfter)");
    }
}

void PreloaderCare::logFailure(const Process &instance, const SpawnException &failure) const {
    Log::warn("event=refork.failed app=\"{}\" pid={} error=\"{}\" action=\"the old preloader stays\"", parts_.app,
              instance.pid(), failure.what());
    for (const std::string &text : split(failure.report(), '\n')) {
        Log::info("event=refork.report app=\"{}\" {}", parts_.app, text);
    }
}

}  // namespace Passenger
