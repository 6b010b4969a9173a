#include "base/BatchScheduling.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sched.h>

#include <thread>
#include <utility>
#include <vector>

#include "base/Processors.h"

namespace Passenger {

class BatchSchedulingTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(BatchSchedulingTest);
    CPPUNIT_TEST(testAThreadInterruptsNobodyWhileRequestsWait);
    CPPUNIT_TEST(testThePolicyOfAnAdministratorStays);
    CPPUNIT_TEST_SUITE_END();

public:
    void testAThreadInterruptsNobodyWhileRequestsWait() {
        // In flight, capacity. The fifth is before the first instance; no machine has as many
        // processors as the last has instances.
        const std::vector<std::pair<unsigned, unsigned>> loads{{1, 1}, {2, 2}, {2, 1},
                                                               {2, 2}, {1, 0}, {1'000'000, 900'000}};
        std::vector<int> policies;
        const BatchScheduling scheduling;
        std::thread([&] {
            for (const auto &[inFlight, capacity] : loads) {
                scheduling.adapt(inFlight, capacity);
                policies.push_back(::sched_getscheduler(0));
            }
        }).join();
        // With one processor the second load is one that waits.
        const int kept = processorsOf().size() > 1 ? SCHED_OTHER : SCHED_BATCH;
        CPPUNIT_ASSERT(policies ==
                       std::vector({SCHED_OTHER, kept, SCHED_BATCH, SCHED_BATCH, SCHED_OTHER, SCHED_BATCH}));
    }

    void testThePolicyOfAnAdministratorStays() {
        int policy = -1;
        std::thread([&] {
            const sched_param none{};
            ::sched_setscheduler(0, SCHED_IDLE, &none);
            BatchScheduling().adapt(2, 1);
            policy = ::sched_getscheduler(0);
        }).join();
        CPPUNIT_ASSERT_EQUAL(SCHED_IDLE, policy);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(BatchSchedulingTest);

}  // namespace Passenger
