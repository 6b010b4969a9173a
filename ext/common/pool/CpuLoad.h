#pragma once

#include <cstdint>

#include "base/Clock.h"
#include "base/SystemClock.h"

namespace Passenger {

/** How much of the machine is free. Guarded by the pool's lock; never blocks. */
class CpuLoad {
public:
    virtual ~CpuLoad() = default;
    virtual unsigned cores() const = 0;
    /** Cores without work, on average of late. */
    virtual double idleCores() = 0;
    /** One more process will have work: it has a core, until that shows in what is measured. */
    virtual void claim() {}
};

/** As the kernel tells (proc(5), /proc/stat), measured over 100 ms at least. What waits for a disk
 * counts as free, and so does what runs with a low priority (nice(1)). */
class SystemCpuLoad final : public CpuLoad {
public:
    explicit SystemCpuLoad(const Clock &clock = SystemClock::instance());
    unsigned cores() const override {
        return cores_;
    }
    double idleCores() override;
    void claim() override;

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
