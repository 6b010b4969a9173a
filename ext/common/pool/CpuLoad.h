#pragma once

namespace Passenger {

/** How much of the machine is free. Guarded by the pool's lock; never blocks. */
class CpuLoad {
public:
    virtual ~CpuLoad() = default;
    virtual unsigned cores() const = 0;
    /** Cores without work, on average lately. */
    virtual double idleCores() = 0;
    /** One more process will have work. Its core counts as used until the measurement shows it. */
    virtual void claim() {}
};

}  // namespace Passenger
