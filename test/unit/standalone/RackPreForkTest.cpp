#include "standalone/RackPreFork.h"

#include <cppunit/TestFixture.h>
#include <cppunit/extensions/HelperMacros.h>

#include <chrono>

namespace Passenger {

using namespace std::chrono_literals;

class RackPreForkTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(RackPreForkTest);
    CPPUNIT_TEST(testTheTimeForLoadingIsAtLeastTwoMinutes);
    CPPUNIT_TEST(testEachSignalAddsOrRemovesOneWorker);
    CPPUNIT_TEST(testChangedLimitsStayConsistent);
    CPPUNIT_TEST_SUITE_END();

public:
    void testTheTimeForLoadingIsAtLeastTwoMinutes() {
        StandaloneOptions options;
        CPPUNIT_ASSERT(RackPreFork::settingsFrom(options, nullptr).startTimeout == 2min);
        options.timeout = 1s;
        CPPUNIT_ASSERT(RackPreFork::settingsFrom(options, nullptr).startTimeout == 2min);
        options.timeout = 3min;
        CPPUNIT_ASSERT(RackPreFork::settingsFrom(options, nullptr).startTimeout == 3min);
    }

    void testEachSignalAddsOrRemovesOneWorker() {
        for (unsigned minSpare = 2; minSpare < 5; minSpare++) {
            for (unsigned width = 0; width < 4; width++) {
                const SpareLimits limits{5, minSpare, minSpare + width, 50};
                for (unsigned spare = minSpare; spare <= minSpare + width; spare++) {
                    const auto more = RackPreFork::movedLimits(limits, spare, +1);
                    CPPUNIT_ASSERT_EQUAL(1U, decideSpares(more, {spare, 0, 0}).start);
                    CPPUNIT_ASSERT_EQUAL(0U, decideSpares(more, {spare + 1, 0, 0}).stop);
                    const auto fewer = RackPreFork::movedLimits(limits, spare, -1);
                    CPPUNIT_ASSERT_EQUAL(1U, decideSpares(fewer, {spare, 0, 0}).stop);
                }
            }
        }
        // The defaults: two workers are free, and only a step of two changes their number.
        CPPUNIT_ASSERT((RackPreFork::movedLimits({5, 1, 2, 50}, 2, +1) == SpareLimits{5, 3, 4, 50}));
        CPPUNIT_ASSERT((RackPreFork::movedLimits({5, 3, 4, 50}, 3, -1) == SpareLimits{5, 1, 2, 50}));
    }

    void testChangedLimitsStayConsistent() {
        for (const unsigned spare : {0U, 1U, 3U, 9U}) {
            for (const int by : {+1, -1}) {
                for (const SpareLimits limits :
                     {SpareLimits{1, 1, 1, 1}, SpareLimits{3, 1, 2, 3}, SpareLimits{5, 2, 5, 5}}) {
                    auto moved = RackPreFork::movedLimits(limits, spare, by);
                    CPPUNIT_ASSERT(normalize(moved).empty());
                }
            }
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RackPreForkTest);

}  // namespace Passenger
