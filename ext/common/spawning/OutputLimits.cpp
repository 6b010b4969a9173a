#include "spawning/OutputLimits.h"

namespace Passenger {

std::shared_ptr<OutputLimit> OutputLimits::of(const Options &options) {
    std::shared_ptr<OutputLimit> limit;
    {
        const LockGuard guard(mutex_);
        std::erase_if(limits_, [](const auto &known) { return known.second.expired(); });
        std::weak_ptr<OutputLimit> &known = limits_[options.groupName()];
        limit = known.lock();
        if (!limit) {
            limit = std::make_shared<OutputLimit>(loop_, clock_, options.groupName(), counts_);
            known = limit;
        }
    }
    limit->set(options.maxLogLines);
    return limit;
}

}  // namespace Passenger
