#include "base/Clock.h"

#include <cppunit/extensions/HelperMacros.h>

#include <ctime>

#include "base/SystemClock.h"
#include "support/LeakCheck.h"
#include "support/ManualClock.h"

namespace Passenger {

class ClockTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(ClockTest);
    CPPUNIT_TEST(testTheSystemClockIsClockMonotonic);
    CPPUNIT_TEST(testAManualClockChangesOnlyWhenItIsAdvanced);
    CPPUNIT_TEST_SUITE_END();

public:
    void testTheSystemClockIsClockMonotonic() {
        // Other processes write times of CLOCK_MONOTONIC into shared memory, so the clock must be
        // this one.
        const auto before = monotonic();
        const auto time = toNanoseconds(SystemClock::instance().now());
        CPPUNIT_ASSERT(before <= time);
        CPPUNIT_ASSERT(time <= monotonic());
    }

    void testAManualClockChangesOnlyWhenItIsAdvanced() {
        ManualClock clock;
        const auto start = clock.now();
        CPPUNIT_ASSERT(start == clock.now());
        clock.advance(std::chrono::milliseconds(1500));
        CPPUNIT_ASSERT(std::chrono::milliseconds(1500) == clock.now() - start);
    }

private:
    static std::uint64_t monotonic() {
        timespec now{};
        clock_gettime(CLOCK_MONOTONIC, &now);
        return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ClockTest);

}  // namespace Passenger
