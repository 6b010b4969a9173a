// The part of Group about its preloader: when it rests, and what takes its place (doc/ARCHITECTURE.md, "Reforking").

#include <memory>
#include <utility>
#include <vector>

#include "base/Split.h"
#include "log/Log.h"
#include "pool/Group.h"
#include "pool/Pool.h"

namespace Passenger {

// ----- Rest

/** When the preloader has forked nothing for long enough; nothing: not as it is now. */
std::optional<MonotonicTime> Group::restDate() const {
    if (!lastSpawn_ || starting_ > 0 || options_.maxPreloaderIdleTime == std::chrono::seconds(0)) {
        return std::nullopt;
    }
    return *lastSpawn_ + options_.maxPreloaderIdleTime;
}

/** Once after each spawn. A thread, since ending a process blocks. */
void Group::restIfDue(MonotonicTime now) {
    const std::optional<MonotonicTime> date = restDate();
    if (!date || now < *date || !spawner_) {
        return;
    }
    lastSpawn_.reset();
    try {
        context_.threads.run("rest", [spawner = spawner_] { spawner->rest(); });
        Log::info("event=preloader.idle app=\"{}\"", name_);
    } catch (const std::exception &error) {
        Log::error("event=preloader.not_ended app=\"{}\" error=\"{}\"", name_, error.what());
    }
}

// ----- Reforking

/** The instance has answered as many requests as Options::reforkAfter: the next preloader is forked from it, one at a time. */
void Group::warmed(const Process &process) {
    const ProcessPtr instance = instances_.find(process.id());
    if (!instance || instance->state != Process::State::SERVING || !instance->replacementReason.empty() || reforking_ ||
        instance->version() != version_ || deployment_ || shutDown_ || !instance->parts().origin) {
        return;
    }
    try {
        context_.threads.run(
            "refork", [this, instance, spawner = spawner_, options = options_] { refork(instance, spawner, options); });
        reforking_ = true;
    } catch (const std::exception &error) {
        Log::error("event=refork.not_started app=\"{}\" error=\"{}\"", name_, error.what());
    }
}

/** In a background thread. */
void Group::refork(const ProcessPtr &instance, const SpawnerPointer &spawner, const Options &options) {
    const auto send = [&](const Frame &frame, const std::vector<int> &descriptors) {
        const PoolGuard guard(context_);
        if (instance->state != Process::State::SERVING) {
            throw SpawnException("the instance serves no more");
        }
        if (!instance->send(frame, descriptors)) {
            throw SpawnException("too many descriptors are on their way");
        }
    };
    std::optional<SpawnException> failure;
    try {
        spawner->refork(options, WarmInstance{instance->pid(), instance->parts().origin, send});
    } catch (const SpawnException &error) {
        failure = error;
    } catch (const std::exception &error) {
        failure = SpawnException(error.what());
    }
    const PoolGuard guard(context_);
    reforking_ = false;
    if (spawner != spawner_ || shutDown_ || context_.shuttingDown) {
        // It went with its version.
        return;
    }
    if (failure) {
        reforkFailed(*instance, *failure);
    } else {
        reforked(*instance);
    }
}

void Group::reforkFailed(const Process &instance, const SpawnException &failure) {
    counters_.reforksFailed++;
    Log::warn("event=refork.failed app=\"{}\" pid={} error=\"{}\" action=\"the old preloader stays\"", name_,
              instance.pid(), failure.what());
    for (const std::string &text : split(failure.report(), '\n')) {
        Log::info("event=refork.report app=\"{}\" {}", name_, text);
    }
}

/** From now on new instances share what the warm one had. Those that do not are replaced, one after the other. */
void Group::reforked(const Process &instance) {
    counters_.reforked++;
    lastSpawn_ = context_.clock.now();
    coldOrigin_ = instance.parts().origin;
    for (const ProcessPtr &process : std::vector<ProcessPtr>(instances_.all())) {
        replaceIfCold(*process);
    }
    rescale();
}

/** Also one that was on its way meanwhile. */
void Group::replaceIfCold(Process &process) {
    if (coldOrigin_ && process.parts().origin == coldOrigin_) {
        requestReplacement(process, "a warmed instance has made another preloader (PassengerReforkAfter)");
    }
}

}  // namespace Passenger
