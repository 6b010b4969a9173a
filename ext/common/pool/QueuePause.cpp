#include "pool/QueuePause.h"

#include <chrono>

#include "log/Log.h"

namespace Passenger {

QueuePause::QueuePause(QueuePauses &pauses, const Clock &clock, ApplicationQueue &queue, const Instances &instances)
    : pauses_(pauses), clock_(clock), queue_(queue), instances_(instances) {
    queue_.publishPause(until() ? MonotonicTime::max() : MonotonicTime());
}

void QueuePause::begin(MonotonicTime until) {
    pauses_.begin(queue_.name(), until);
    const auto left = std::chrono::ceil<std::chrono::seconds>(until - clock_.now());
    Log::notice("event=queue.paused app=\"{}\" limit={}s", queue_.name(), left.count());
    queue_.publishPause(MonotonicTime::max());
    for (const ProcessPtr &process : instances_.all()) {
        if (process->stays()) {
            process->pause().begin();
        }
    }
}

void QueuePause::end(const char *reason) {
    if (!until()) {
        return;
    }
    Log::notice("event=queue.resumed app=\"{}\" waiting={} reason=\"{}\"", queue_.name(), queue_.untaken(), reason);
    pauses_.end(queue_.name());
    queue_.publishPause(clock_.now());
    for (const ProcessPtr &process : instances_.all()) {
        if (process->stays()) {
            apply(*process);
        }
    }
}

void QueuePause::endIfDue(MonotonicTime now) {
    if (const auto date = until(); date && *date <= now) {
        end("its time is over");
    }
}

void QueuePause::apply(Process &process) const {
    if (until()) {
        process.pause().begin();
    } else if (process.pause().isOn() && process.state() == Process::State::SERVING) {
        process.pause().end();
    }
}

}  // namespace Passenger
