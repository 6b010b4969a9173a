#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <vector>

#include "base/Clock.h"
#include "base/CpuQuota.h"
#include "base/Processors.h"
#include "base/SystemClock.h"
#include "pool/CpuLoad.h"

namespace Passenger {

/**
 * The load of the processors that the kernel tells, measured over 100 ms at least. The control
 * groups of this process may have a quota (base/CpuQuota.h), as in a container. Then the load is
 * that of a machine with so many processors, rounded up. Otherwise /proc/stat tells it (proc(5)),
 * of the processors that this process may use. There, processors count as free whose processes wait
 * for a disk or have a low priority (nice(1)).
 * After a second without a look, one core is idle at most: the average of a quiet night is no news.
 */
class SystemCpuLoad final : public CpuLoad {
public:
    explicit SystemCpuLoad(const Clock &clock = SystemClock::instance(), CgroupFiles files = {});
    unsigned cores() const override { return cores_; }
    double idleCores() override;
    void claim() override;
    std::optional<std::chrono::nanoseconds> usedBy(pid_t pid) override;

private:
    void look();

    const Clock &clock_;
    const CgroupFiles files_;
    std::vector<unsigned> processors_;
    MonotonicTime measured_;
    ProcessorTimes last_;
    std::vector<CpuQuota> quotas_;
    unsigned cores_ = 1;
    double idleCores_ = 1;
};

}  // namespace Passenger
