#include "base/Clock.h"

#include <new>

namespace Passenger {

MonotonicTime SystemClock::now() const {
    return std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now());
}

const SystemClock &SystemClock::instance() {
    // In storage of its own, because nothing in the httpd module may need a destructor at exit: httpd unloads the module before.
    alignas(SystemClock) static unsigned char storage[sizeof(SystemClock)];
    static const SystemClock *const clock = new (storage) SystemClock;
    return *clock;
}

}  // namespace Passenger
