#include "pool/Lifecycle.h"

#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <string>

namespace Passenger {

class LifecycleTest : public CPPUNIT_NS::TestFixture {
    CPPUNIT_TEST_SUITE(LifecycleTest);
    CPPUNIT_TEST(testAnInstanceStaysUntilItIsToldToEnd);
    CPPUNIT_TEST(testOnlyAnInstanceThatDrainsIsReplaced);
    CPPUNIT_TEST(testAnInstanceIsDueForAReason);
    CPPUNIT_TEST_SUITE_END();

    using State = Lifecycle::State;

public:
    void testAnInstanceStaysUntilItIsToldToEnd() {
        Lifecycle life;
        life.standBy();
        CPPUNIT_ASSERT(life.state() == State::STANDBY);
        CPPUNIT_ASSERT(life.stays());
        life.serve();
        CPPUNIT_ASSERT(life.state() == State::SERVING);
        CPPUNIT_ASSERT(life.stays());
        life.drain(MonotonicTime(std::chrono::nanoseconds(7)));
        CPPUNIT_ASSERT(life.state() == State::DRAINING);
        CPPUNIT_ASSERT(life.drainsSince() == MonotonicTime(std::chrono::nanoseconds(7)));
        CPPUNIT_ASSERT(!life.stays());
        life.end();
        CPPUNIT_ASSERT(life.state() == State::DEAD);
        CPPUNIT_ASSERT(!life.stays());
    }

    void testOnlyAnInstanceThatDrainsIsReplaced() {
        Lifecycle life;
        life.noteSuccessor();
        CPPUNIT_ASSERT(!life.isReplaced());
        life.drain(MonotonicTime());
        CPPUNIT_ASSERT(life.isReplaced());
        life.end();
        CPPUNIT_ASSERT(!life.isReplaced());
        Lifecycle other;
        other.drain(MonotonicTime());
        CPPUNIT_ASSERT(!other.isReplaced());
    }

    void testAnInstanceIsDueForAReason() {
        Lifecycle life;
        CPPUNIT_ASSERT(!life.isDue());
        life.fallDue("it is old");
        CPPUNIT_ASSERT(life.isDue());
        CPPUNIT_ASSERT_EQUAL(std::string("it is old"), life.replacementReason());
        CPPUNIT_ASSERT_MESSAGE("It serves until its successor does", life.stays());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(LifecycleTest);

}  // namespace Passenger
