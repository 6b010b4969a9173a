#include "policy/SurplusWindow.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <random>

namespace Passenger {

using namespace std::chrono_literals;

class SurplusWindowTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(SurplusWindowTest);
    CPPUNIT_TEST(testALastingSurplusIsTaken);
    CPPUNIT_TEST(testAShortSurplusIsNotTaken);
    CPPUNIT_TEST(testTheSmallestSurplusOfTheWindowIsTaken);
    CPPUNIT_TEST(testASurplusThatGrowsStepByStepIsTakenStepByStep);
    CPPUNIT_TEST(testWithAWindowOfNoLengthTheSurplusIsTakenAtOnce);
    CPPUNIT_TEST(testWithRandomValuesTheMinimumOfTheWindowIsTaken);
    CPPUNIT_TEST_SUITE_END();

    SurplusWindow window_{1s};

    static MonotonicTime at(std::chrono::nanoseconds time) { return MonotonicTime(1h + time); }

public:
    void testALastingSurplusIsTaken() {
        CPPUNIT_ASSERT(!window_.nextDue());
        window_.note(3, at(0s));
        CPPUNIT_ASSERT(window_.nextDue() == at(1s));
        CPPUNIT_ASSERT_EQUAL(0U, window_.take(at(1s - 1ns)));
        CPPUNIT_ASSERT_EQUAL(3U, window_.take(at(1s)));
        CPPUNIT_ASSERT_EQUAL(0U, window_.take(at(2s)));
        CPPUNIT_ASSERT(!window_.nextDue());
    }

    void testAShortSurplusIsNotTaken() {
        window_.note(3, at(0s));
        window_.note(0, at(900ms));
        window_.note(3, at(901ms));
        CPPUNIT_ASSERT_EQUAL(0U, window_.take(at(1900ms)));
    }

    void testTheSmallestSurplusOfTheWindowIsTaken() {
        window_.note(3, at(0s));
        window_.note(1, at(500ms));
        window_.note(4, at(501ms));
        CPPUNIT_ASSERT_EQUAL(1U, window_.take(at(1s)));
        CPPUNIT_ASSERT_EQUAL(3U, window_.take(at(1501ms)));
    }

    void testASurplusThatGrowsStepByStepIsTakenStepByStep() {
        window_.note(1, at(0ms));
        window_.note(2, at(1ms));
        window_.note(3, at(2ms));
        CPPUNIT_ASSERT_EQUAL(1U, window_.take(at(1s)));
        CPPUNIT_ASSERT(window_.nextDue() == at(1001ms));
        window_.note(2, at(1s));
        CPPUNIT_ASSERT_EQUAL(2U, window_.take(at(1002ms)));
    }

    void testWithAWindowOfNoLengthTheSurplusIsTakenAtOnce() {
        window_.setLength(0s);
        window_.note(3, at(0s));
        CPPUNIT_ASSERT_EQUAL(3U, window_.take(at(0s)));
    }

    void testWithRandomValuesTheMinimumOfTheWindowIsTaken() {
        std::mt19937 random(4711);
        std::map<MonotonicTime, unsigned> history{{at(-1s), 0}};
        for (int i = 0; i < 2000; i++) {
            const MonotonicTime now = at(i * 37ms);
            const unsigned surplus = std::uniform_int_distribution<unsigned>(i % 300 < 150 ? 0 : 3, 6)(random);
            window_.note(surplus, now);
            history[now] = surplus;
            unsigned least = surplus;
            for (auto one = std::prev(history.upper_bound(now - 1s)); one != history.end(); ++one) {
                least = std::min(least, one->second);
            }
            const unsigned taken = window_.take(now);
            CPPUNIT_ASSERT_EQUAL(least, taken);
            for (auto &[time, value] : history) {
                value -= std::min(value, taken);
            }
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SurplusWindowTest);

}  // namespace Passenger
