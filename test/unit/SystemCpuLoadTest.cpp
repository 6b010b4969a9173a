#include "pool/SystemCpuLoad.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/resource.h>

#include "support/Eventually.h"
#include "support/ManualClock.h"

namespace Passenger {

using namespace std::chrono_literals;

class SystemCpuLoadTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(SystemCpuLoadTest);
    CPPUNIT_TEST(testAtFirstAllCoresCountAsIdle);
    CPPUNIT_TEST(testTheLoadIsMeasuredOverATenthOfASecondAtLeast);
    CPPUNIT_TEST(testABusyThreadTakesACore);
    CPPUNIT_TEST_SUITE_END();

    ManualClock clock_;

    /** Uses processor time until the kernel has counted some of it. */
    static void work() {
        const auto end = std::chrono::steady_clock::now() + 150ms;
        while (std::chrono::steady_clock::now() < end) {
        }
    }

public:
    void testAtFirstAllCoresCountAsIdle() {
        SystemCpuLoad load(clock_);
        CPPUNIT_ASSERT(load.cores() >= 1);
        CPPUNIT_ASSERT_EQUAL(static_cast<double>(load.cores()), load.idleCores());
    }

    void testTheLoadIsMeasuredOverATenthOfASecondAtLeast() {
        SystemCpuLoad load(clock_);
        work();
        clock_.advance(99ms);
        CPPUNIT_ASSERT_EQUAL(static_cast<double>(load.cores()), load.idleCores());
    }

    void testABusyThreadTakesACore() {
        if (::getpriority(PRIO_PROCESS, 0) > 0) {
            // The load of a process with a low priority does not count.
            return;
        }
        SystemCpuLoad load(clock_);
        CPPUNIT_ASSERT(eventually([&] {
            work();
            clock_.advance(100ms);
            return load.idleCores() < load.cores() - 0.5;
        }));
        CPPUNIT_ASSERT(load.idleCores() >= 0);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SystemCpuLoadTest);

}  // namespace Passenger
