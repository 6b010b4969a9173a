#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>

#include "base/Clock.h"
#include "base/SystemClock.h"
#include "pool/CpuLoad.h"

namespace Passenger {

/**
 * As the kernel tells (proc(5), /proc/stat), measured over 100 ms at least. Processes that wait for
 * a disk count as free, and those with a low priority (nice(1)), too.
 */
class SystemCpuLoad final : public CpuLoad {
public:
    explicit SystemCpuLoad(const Clock &clock = SystemClock::instance());
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

    const Clock &clock_;
    unsigned cores_;
    MonotonicTime measured_;
    Times last_;
    double idleCores_;
};

}  // namespace Passenger
