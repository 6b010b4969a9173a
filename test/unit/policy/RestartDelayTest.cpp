#include "policy/RestartDelay.h"

#include <cppunit/extensions/HelperMacros.h>

#include "support/ManualClock.h"

namespace Passenger {

class RestartDelayTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(RestartDelayTest);
    CPPUNIT_TEST(testTheFirstRestartIsAtOnceAndLaterOnesAfterGrowingPauses);
    CPPUNIT_TEST(testALongLifeResetsTheDelay);
    CPPUNIT_TEST(testAStartIsDueOnceAfterTheDelay);
    CPPUNIT_TEST(testACancelledStartIsNotDue);
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

    void testAStartIsDueOnceAfterTheDelay() {
        RestartDelay delay;
        CPPUNIT_ASSERT(!delay.wait(clock_.now()) && !delay.takeDue(clock_.now()));
        afterLife(delay, std::chrono::milliseconds(0));
        CPPUNIT_ASSERT(delay.takeDue(clock_.now()));
        CPPUNIT_ASSERT(!delay.takeDue(clock_.now()));
        afterLife(delay, std::chrono::milliseconds(0));
        clock_.advance(std::chrono::microseconds(99'001));
        CPPUNIT_ASSERT(!delay.takeDue(clock_.now()));
        CPPUNIT_ASSERT(std::chrono::milliseconds(1) == delay.wait(clock_.now()));
        clock_.advance(std::chrono::milliseconds(2));
        CPPUNIT_ASSERT(std::chrono::milliseconds(0) == delay.wait(clock_.now()));
        CPPUNIT_ASSERT(delay.takeDue(clock_.now()));
    }

    void testACancelledStartIsNotDue() {
        RestartDelay delay;
        afterLife(delay, std::chrono::milliseconds(0));
        delay.cancel();
        CPPUNIT_ASSERT(!delay.wait(clock_.now()) && !delay.takeDue(clock_.now()));
    }

private:
    int afterLife(RestartDelay &delay, std::chrono::milliseconds life) {
        delay.started(clock_.now());
        clock_.advance(life);
        return static_cast<int>(delay.ended(clock_.now()).count());
    }

    ManualClock clock_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(RestartDelayTest);

}  // namespace Passenger
