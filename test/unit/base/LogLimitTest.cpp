#include "base/LogLimit.h"

#include <cppunit/extensions/HelperMacros.h>

namespace Passenger {

class LogLimitTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(LogLimitTest);
    CPPUNIT_TEST(testTheNumberOfLinesIsLimited);
    CPPUNIT_TEST(testAfterTheIntervalTheSameNumberIsAllowedAgain);
    CPPUNIT_TEST_SUITE_END();

    const MonotonicTime start_{std::chrono::hours(1)};
    LogLimit limit_;

    unsigned allowed(MonotonicTime now) {
        unsigned count = 0;
        for (unsigned i = 0; i < 3 * LogLimit::LINES; i++) {
            count += limit_.allows(now) ? 1 : 0;
        }
        return count;
    }

public:
    void testTheNumberOfLinesIsLimited() {
        CPPUNIT_ASSERT_EQUAL(LogLimit::LINES, allowed(start_));
        CPPUNIT_ASSERT_EQUAL(0U, allowed(start_ + LogLimit::INTERVAL - std::chrono::nanoseconds(1)));
    }

    void testAfterTheIntervalTheSameNumberIsAllowedAgain() {
        allowed(start_);
        CPPUNIT_ASSERT_EQUAL(LogLimit::LINES, allowed(start_ + LogLimit::INTERVAL));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(LogLimitTest);

}  // namespace Passenger
