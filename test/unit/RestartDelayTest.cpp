#include "policy/RestartDelay.h"

#include <cppunit/extensions/HelperMacros.h>

#include "support/ManualClock.h"

namespace Passenger {

class RestartDelayTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(RestartDelayTest);
    CPPUNIT_TEST(testTheFirstRestartIsAtOnceAndLaterOnesAfterGrowingPauses);
    CPPUNIT_TEST(testALongLifeResetsTheDelay);
    CPPUNIT_TEST_SUITE_END();

public:
    void testTheFirstRestartIsAtOnceAndLaterOnesAfterGrowingPauses() {
        RestartDelay delay;
        for (const int expected : {0, 100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000}) {
            CPPUNIT_ASSERT_EQUAL(expected, afterLife(delay, std::chrono::milliseconds(9999)));
        }
    }

    void testALongLifeResetsTheDelay() {
        RestartDelay delay;
        afterLife(delay, std::chrono::milliseconds(0));
        afterLife(delay, std::chrono::milliseconds(0));
        CPPUNIT_ASSERT_EQUAL(0, afterLife(delay, RestartDelay::LONG_LIFE));
        CPPUNIT_ASSERT_EQUAL(100, afterLife(delay, std::chrono::milliseconds(0)));
    }

private:
    int afterLife(RestartDelay &delay, std::chrono::milliseconds life) {
        const auto born = clock_.now();
        clock_.advance(life);
        return static_cast<int>(delay.next(born, clock_.now()).count());
    }

    ManualClock clock_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(RestartDelayTest);

}  // namespace Passenger
