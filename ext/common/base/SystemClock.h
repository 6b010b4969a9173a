#pragma once

#include "base/Clock.h"

namespace Passenger {

/** CLOCK_MONOTONIC. */
class SystemClock final : public Clock {
public:
    MonotonicTime now() const override;
    /** A shared instance without state. It is never destroyed. */
    static const SystemClock &instance();
};

}  // namespace Passenger
