#include "policy/ForkDelay.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>

#include "support/ManualClock.h"

namespace Passenger {

using namespace std::chrono_literals;

class ForkDelayTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ForkDelayTest);
    CPPUNIT_TEST(testFailedStartsAreTriedAgainAfterGrowingPauses);
    CPPUNIT_TEST(testTheFirstWorkersThatDieYoungAreReplacedAtOnce);
    CPPUNIT_TEST(testALongLifeResetsTheDelay);
    CPPUNIT_TEST(testSeveralFailuresTogetherCountAsOne);
    CPPUNIT_TEST(testFailuresThatAreFarApartDoNotAddUp);
    CPPUNIT_TEST_SUITE_END();

    ManualClock clock_;
    ForkDelay delay_;

    /** Advances the clock until the next worker may be started. @return the milliseconds until
     *  then */
    std::int64_t wait() {
        const auto left = std::max(delay_.notBefore() - clock_.now(), std::chrono::nanoseconds(0));
        clock_.advance(left);
        return std::chrono::floor<std::chrono::milliseconds>(left).count();
    }
    void dieYoung() { delay_.died(clock_.now(), 1999ms); }

public:
    void testFailedStartsAreTriedAgainAfterGrowingPauses() {
        CPPUNIT_ASSERT(!delay_.failing(clock_.now()));
        for (const std::int64_t expected : {100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000}) {
            delay_.failed(clock_.now());
            CPPUNIT_ASSERT(delay_.failing(clock_.now()));
            CPPUNIT_ASSERT_EQUAL(expected, wait());
        }
    }

    void testTheFirstWorkersThatDieYoungAreReplacedAtOnce() {
        for (const std::int64_t expected : {0, 0, 0, 100, 200, 400}) {
            dieYoung();
            CPPUNIT_ASSERT_EQUAL(expected, wait());
        }
    }

    void testALongLifeResetsTheDelay() {
        for (int i = 0; i < 6; i++) {
            dieYoung();
            wait();
        }
        delay_.died(clock_.now(), ForkDelay::LONG_LIFE);
        CPPUNIT_ASSERT(!delay_.failing(clock_.now()));
        dieYoung();
        CPPUNIT_ASSERT_EQUAL(std::int64_t{0}, wait());
    }

    void testSeveralFailuresTogetherCountAsOne() {
        for (int i = 0; i < 5; i++) {
            delay_.failed(clock_.now());
        }
        CPPUNIT_ASSERT_EQUAL(std::int64_t{100}, wait());
    }

    void testFailuresThatAreFarApartDoNotAddUp() {
        for (int i = 0; i < 5; i++) {
            delay_.failed(clock_.now());
            wait();
        }
        clock_.advance(ForkDelay::FORGET + 1s);
        CPPUNIT_ASSERT(!delay_.failing(clock_.now()));
        delay_.failed(clock_.now());
        CPPUNIT_ASSERT_EQUAL(std::int64_t{100}, wait());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ForkDelayTest);

}  // namespace Passenger
