#include "base/BatchScheduling.h"

#include <sched.h>

#include <algorithm>

#include "base/Processors.h"

namespace Passenger {

BatchScheduling::BatchScheduling()
    : processors_(static_cast<unsigned>(processorsOf().size())), mayChange_(::sched_getscheduler(0) != SCHED_BATCH) {}

void BatchScheduling::adapt(unsigned inFlight, unsigned capacity) const noexcept {
    if (inFlight > std::clamp(capacity, 1U, processors_)) {
        set(true);
    } else if (inFlight <= 1) {
        set(false);
    }
}

void BatchScheduling::set(bool batch) const noexcept {
    const int former = batch ? SCHED_OTHER : SCHED_BATCH;
    if (mayChange_ && ::sched_getscheduler(0) == former) {
        const sched_param none{};
        // A refusal, as of a container's filter of system calls, costs speed only.
        ::sched_setscheduler(0, batch ? SCHED_BATCH : SCHED_OTHER, &none);
    }
}

}  // namespace Passenger
