#include "base/BatchScheduling.h"

#include <sched.h>

#include <algorithm>

#include "base/Processors.h"

namespace Passenger {

BatchScheduling::BatchScheduling()
    : processors_(static_cast<unsigned>(processorsOf().size())), mayChange_(::sched_getscheduler(0) != SCHED_BATCH) {}

void BatchScheduling::adapt(unsigned inFlight, unsigned capacity) const noexcept {
    const bool waits = inFlight > std::clamp(capacity, 1U, processors_);
    const bool isAlone = inFlight <= 1;
    if (!mayChange_ || (!waits && !isAlone)) {
        return;
    }
    const int wanted = waits ? SCHED_BATCH : SCHED_OTHER;
    if (::sched_getscheduler(0) == (waits ? SCHED_OTHER : SCHED_BATCH)) {
        const sched_param none{};
        // A refusal, as of a container's filter of system calls, costs speed only.
        ::sched_setscheduler(0, wanted, &none);
    }
}

}  // namespace Passenger
