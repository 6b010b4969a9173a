#include "agent/InstanceFacts.h"

#include <cppunit/extensions/HelperMacros.h>

namespace Passenger {

using namespace std::chrono_literals;

class InstanceFactsTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(InstanceFactsTest);
    CPPUNIT_TEST(testSlowRoundsComeLessOften);
    CPPUNIT_TEST_SUITE_END();

public:
    void testSlowRoundsComeLessOften() {
        CPPUNIT_ASSERT(InstanceFacts::pauseAfter(1ms) == 5s);
        CPPUNIT_ASSERT(InstanceFacts::pauseAfter(250ms) == 5s);
        CPPUNIT_ASSERT(InstanceFacts::pauseAfter(500ms) == 10s);
        CPPUNIT_ASSERT(InstanceFacts::pauseAfter(30s) == 5min);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(InstanceFactsTest);

}  // namespace Passenger
