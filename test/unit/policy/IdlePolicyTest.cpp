#include "policy/IdlePolicy.h"

#include <cppunit/extensions/HelperMacros.h>

#include <vector>

namespace Passenger {

using namespace std::chrono_literals;

class IdlePolicyTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(IdlePolicyTest);
    CPPUNIT_TEST(testTheNumberOfInstancesThatMayEnd);
    CPPUNIT_TEST(testANewInstanceRestartsTheIdleTimeOfAll);
    CPPUNIT_TEST(testAPeakCountsForTheIdleTimeOnly);
    CPPUNIT_TEST(testALowerPeakDoesNotHideAnEarlierHigherOne);
    CPPUNIT_TEST_SUITE_END();

    static constexpr auto IDLE_TIME = 60s;

    static MonotonicTime at(std::chrono::seconds time) { return MonotonicTime(1h + time); }

public:
    void testTheNumberOfInstancesThatMayEnd() {
        struct Case {
            const char *what;
            /** The most requests in flight in each of the last minutes, the latest last. */
            std::vector<unsigned> peaks;
            std::chrono::seconds idleTime;
            unsigned instances;
            unsigned minInstances;
            unsigned threads;
            unsigned surplus;
        };
        const Case cases[] = {
            {"none is needed", {0, 0}, 60s, 3, 0, 1, 3},
            {"one is needed", {1, 1}, 60s, 3, 0, 1, 2},
            {"all are needed", {3, 3}, 60s, 3, 0, 1, 0},
            {"more were wanted than there are", {9, 9}, 60s, 3, 0, 1, 0},
            {"the minimum stays", {0, 0}, 60s, 3, 2, 1, 1},
            {"fewer than the minimum", {0, 0}, 60s, 1, 2, 1, 0},
            {"threads", {5, 5}, 60s, 4, 0, 4, 2},
            {"no threads is nonsense, and counts as one", {0, 0}, 60s, 1, 0, 0, 1},
            {"the window's highest peak counts", {3, 0}, 120s, 3, 0, 1, 0},
            {"an old peak does not", {3, 0, 0}, 60s, 3, 0, 1, 3},
            {"never", {0, 0}, 0s, 3, 0, 1, 0},
        };
        for (const Case &each : cases) {
            IdlePolicy policy;
            std::chrono::seconds now{0};
            for (const unsigned peak : each.peaks) {
                now += 61s;
                policy.note(at(now), peak, each.idleTime);
            }
            CPPUNIT_ASSERT_EQUAL_MESSAGE(
                each.what, each.surplus,
                policy.surplus(at(now), each.idleTime, each.instances, each.minInstances, each.threads));
        }
    }

    void testANewInstanceRestartsTheIdleTimeOfAll() {
        IdlePolicy policy;
        policy.note(at(0s), 0, IDLE_TIME);
        policy.restart(at(50s));
        policy.note(at(100s), 0, IDLE_TIME);
        CPPUNIT_ASSERT_EQUAL(0U, policy.surplus(at(100s), IDLE_TIME, 2, 0, 1));
        policy.note(at(110s), 0, IDLE_TIME);
        CPPUNIT_ASSERT_EQUAL(2U, policy.surplus(at(110s), IDLE_TIME, 2, 0, 1));
    }

    void testAPeakCountsForTheIdleTimeOnly() {
        IdlePolicy policy;
        policy.note(at(0s), 2, IDLE_TIME);
        for (auto now = 10s; now <= 60s; now += 10s) {
            policy.note(at(now), 0, IDLE_TIME);
            CPPUNIT_ASSERT_EQUAL(0U, policy.surplus(at(now), IDLE_TIME, 2, 0, 1));
        }
        policy.note(at(61s), 0, IDLE_TIME);
        CPPUNIT_ASSERT_EQUAL(2U, policy.surplus(at(61s), IDLE_TIME, 2, 0, 1));
    }

    void testALowerPeakDoesNotHideAnEarlierHigherOne() {
        IdlePolicy policy;
        policy.note(at(0s), 1, IDLE_TIME);
        policy.note(at(30s), 3, IDLE_TIME);
        policy.note(at(60s), 2, IDLE_TIME);
        CPPUNIT_ASSERT_EQUAL(1U, policy.surplus(at(60s), IDLE_TIME, 4, 0, 1));
        policy.note(at(91s), 0, IDLE_TIME);
        CPPUNIT_ASSERT_EQUAL(2U, policy.surplus(at(91s), IDLE_TIME, 4, 0, 1));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(IdlePolicyTest);

}  // namespace Passenger
