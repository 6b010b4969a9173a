#include "base/SystemClock.h"

#include <new>

namespace Passenger {

MonotonicTime SystemClock::now() const {
    return std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now());
}

const SystemClock &SystemClock::instance() {
    // The clock has its own storage, so no destructor runs at exit. httpd unloads the module before
    // exit.
    alignas(SystemClock) static unsigned char storage[sizeof(SystemClock)];
    static const SystemClock *const clock = new (storage) SystemClock;
    return *clock;
}

}  // namespace Passenger
