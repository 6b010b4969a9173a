#include "pool/Succession.h"

#include <chrono>
#include <cstdint>

#include "log/Log.h"

namespace Passenger {

bool Succession::replacing() const {
    const Versions::Deployment *deployment = parts_.versions.deployment();
    return standsBy() || parts_.instances.find(parts_.pending.beingReplaced()) ||
           (deployment && deployment->started && !parts_.instances.empty()) || parts_.instances.anyReplaced();
}

void Succession::takeOver(const SpawnTask &task) {
    if (task.purpose == SpawnTask::Purpose::DEPLOY && parts_.versions.deploys(task)) {
        const std::chrono::nanoseconds took = parts_.context.clock.now() - parts_.versions.deployment()->begun;
        parts_.queue.makeCurrent(parts_.versions.adopt());
        Log::notice("event=deploy.done app=\"{}\" version={} ms={}", parts_.app, parts_.versions.current(),
                    std::chrono::duration_cast<std::chrono::milliseconds>(took).count());
        // Not activateStandby(): the old instances still count as wanted again.
        activate();
        parts_.instances.retireOlderThan(parts_.versions.current());
    } else if (task.purpose == SpawnTask::Purpose::REPLACE) {
        const ProcessPtr outgoing = parts_.instances.find(task.replaces);
        if (!outgoing) {
            return;
        }
        outgoing->lifecycle().noteSuccessor();
        if (outgoing->stays()) {
            parts_.counters.replaced++;
            parts_.instances.retire(outgoing);
        }
    }
}

/** The instances of the current version that stand by serve from now on. With a limit of one, a
 *  single one does, and only if no other instance works. @return whether one began to */
bool Succession::activate() {
    const std::uint64_t current = parts_.versions.current();
    const bool alone = parts_.demand.maxInstances() == 1;
    bool oneTooMany = alone && parts_.instances.serves(current);
    bool began = false;
    for (const ProcessPtr &process : parts_.instances.all()) {
        if (process->state() != Process::State::STANDBY || process->version() != current) {
            continue;
        }
        if (oneTooMany) {
            // The limit was lowered when there were more than one.
            parts_.instances.retire(process);
            continue;
        }
        oneTooMany = alone;
        if (!alone || !parts_.instances.anyWorks()) {
            parts_.instances.serve(process, parts_.versions.deployment() != nullptr);
            parts_.pause.apply(*process);
            began = true;
        }
    }
    return began;
}

}  // namespace Passenger
