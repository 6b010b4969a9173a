#include "pool/PreloaderCare.h"

#include <exception>
#include <utility>
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
    if (!instance.former()) {
        loaded_ = instance.parts().origin ? std::optional(Load(options)) : std::nullopt;
    }
}

std::optional<MonotonicTime> PreloaderCare::restDate() const {
    if (!lastSpawn_ || pending_.starting() > 0 || options_.maxPreloaderIdleTime == std::chrono::seconds(0)) {
        return std::nullopt;
    }
    return *lastSpawn_ + options_.maxPreloaderIdleTime;
}

void PreloaderCare::restIfDue(const SpawnerPointer &spawner, MonotonicTime now) {
    const std::optional<MonotonicTime> date = restDate();
    if (!date || now < *date || !spawner) {
        return;
    }
    lastSpawn_.reset();
    loaded_.reset();
    try {
        threads_.run("rest", [spawner] { spawner->rest(); });
        Log::info("event=preloader.idle app=\"{}\"", app_);
    } catch (const std::exception &error) {
        Log::error("event=preloader.not_ended app=\"{}\" error=\"{}\"", app_, error.what());
    }
}

void PreloaderCare::refork(PoolContext &context, const ProcessPtr &instance, const SpawnerPointer &spawner,
                           Reforked ended) {
    try {
        context.threads.run(
            "refork", [this, &context, instance, spawner, options = options_, ended = std::move(ended)] {
                const std::optional<SpawnException> failure = fork(context, instance, *spawner, options);
                const PoolGuard guard(context);
                reforking_ = false;
                ended(failure);
            });
        reforking_ = true;
    } catch (const std::exception &error) {
        Log::error("event=refork.not_started app=\"{}\" error=\"{}\"", app_, error.what());
    }
}

/** In a background thread. @return why it failed */
std::optional<SpawnException> PreloaderCare::fork(PoolContext &context, const ProcessPtr &instance, Spawner &spawner,
                                                  const Options &options) {
    const auto send = [&](const Frame &frame, const std::vector<int> &descriptors) {
        const PoolGuard guard(context);
        if (instance->state() != Process::State::SERVING) {
            throw SpawnException("the instance no longer serves");
        }
        if (!instance->link().send(frame, descriptors)) {
            throw SpawnException("too many descriptors are in flight");
        }
    };
    try {
        spawner.refork(options, WarmInstance{instance->pid(), instance->parts().origin, send, instance->parts().group});
    } catch (const SpawnException &error) {
        return error;
    } catch (const std::exception &error) {
        return SpawnException(error.what());
    }
    return std::nullopt;
}

void PreloaderCare::reforked(const Process &instance, MonotonicTime now) {
    lastSpawn_ = now;
    coldOrigin_ = instance.parts().origin;
}

void PreloaderCare::logFailure(const Process &instance, const SpawnException &failure) const {
    Log::warn("event=refork.failed app=\"{}\" pid={} error=\"{}\" action=\"the old preloader stays\"", app_,
              instance.pid(), failure.what());
    for (const std::string &text : split(failure.report(), '\n')) {
        Log::info("event=refork.report app=\"{}\" {}", app_, text);
    }
}

}  // namespace Passenger
