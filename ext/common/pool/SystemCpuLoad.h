#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/Clock.h"
#include "base/CpuQuota.h"
#include "base/SystemClock.h"
#include "pool/CpuLoad.h"

namespace Passenger {

/**
 * As the kernel tells, measured over 100 ms at least. Where the control groups of this process have
 * a quota (base/CpuQuota.h), as in a container, it is that of a machine with so many processors,
 * rounded up. Otherwise /proc/stat tells it (proc(5)): processes that wait for a disk count as free
 * there, and those with a low priority (nice(1)), too.
 */
class SystemCpuLoad final : public CpuLoad {
public:
    explicit SystemCpuLoad(const Clock &clock = SystemClock::instance(), CgroupFiles files = {});
    unsigned cores() const override {
        return cores_;
    }
    double idleCores() override;
    void claim() override;
    std::optional<std::chrono::nanoseconds> usedBy(pid_t pid) override;

private:
    struct Times {
        std::uint64_t idle = 0;
        std::uint64_t all = 0;
    };
    static Times read();
    void look();

    const Clock &clock_;
    const CgroupFiles files_;
    const unsigned processors_;
    MonotonicTime measured_;
    Times last_;
    std::vector<CpuQuota> quotas_;
    unsigned cores_ = 1;
    double idleCores_ = 1;
};

}  // namespace Passenger
