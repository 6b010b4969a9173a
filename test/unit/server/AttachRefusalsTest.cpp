#include "server/AttachRefusals.h"

#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <string>

namespace Passenger {

using namespace std::chrono_literals;

class AttachRefusalsTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(AttachRefusalsTest);
    CPPUNIT_TEST(testEachApplicationAndReasonIsLoggedOnce);
    CPPUNIT_TEST(testALineThatTheLimitLeavesOutIsLoggedLater);
    CPPUNIT_TEST(testVeryManyAreForgotten);
    CPPUNIT_TEST_SUITE_END();

    const MonotonicTime start_{1000s};
    AttachRefusals refusals_;

public:
    void testEachApplicationAndReasonIsLoggedOnce() {
        CPPUNIT_ASSERT(refusals_.isToLog("a", "x", start_));
        CPPUNIT_ASSERT(!refusals_.isToLog("a", "x", start_ + 1h));
        CPPUNIT_ASSERT(refusals_.isToLog("a", "y", start_ + 1h));
        CPPUNIT_ASSERT(refusals_.isToLog("b", "x", start_ + 1h));
        CPPUNIT_ASSERT(!refusals_.isToLog("b", "x", start_ + 1h));
        refusals_.forget();
        CPPUNIT_ASSERT(refusals_.isToLog("a", "x", start_ + 1h));
    }

    void testALineThatTheLimitLeavesOutIsLoggedLater() {
        for (unsigned i = 0; i < LogLimit::LINES; i++) {
            CPPUNIT_ASSERT(refusals_.isToLog("a", std::to_string(i), start_));
        }
        CPPUNIT_ASSERT(!refusals_.isToLog("a", "x", start_));
        CPPUNIT_ASSERT(refusals_.isToLog("a", "x", start_ + LogLimit::INTERVAL));
    }

    void testVeryManyAreForgotten() {
        MonotonicTime now = start_;
        for (std::size_t i = 0; i <= AttachRefusals::MOST; i++) {
            CPPUNIT_ASSERT(refusals_.isToLog("a", std::to_string(i), now));
            now += LogLimit::INTERVAL;
        }
        CPPUNIT_ASSERT(refusals_.isToLog("a", "0", now));
        CPPUNIT_ASSERT(!refusals_.isToLog("a", "0", now));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(AttachRefusalsTest);

}  // namespace Passenger
