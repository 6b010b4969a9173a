#include "pool/InstancePause.h"

#include <cppunit/extensions/HelperMacros.h>

#include <optional>
#include <string>
#include <utility>

#include "io/SocketPair.h"
#include "support/LeakCheck.h"

namespace Passenger {

class InstancePauseTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(InstancePauseTest);
    CPPUNIT_TEST(testAnInstanceMayTakeRequestsUntilItHasAnswered);
    CPPUNIT_TEST(testAnInstanceIsAskedOnce);
    CPPUNIT_TEST(testAnInstanceThatBeganPausedTakesNone);
    CPPUNIT_TEST(testAnInstanceWithoutAControlSocketIsNotWaitedFor);
    CPPUNIT_TEST(testTheAnswerToFinishIsNoPause);
    CPPUNIT_TEST(testEachOrderHasOneAnswer);
    CPPUNIT_TEST_SUITE_END();

    SpawnResult parts_;
    FrameSocket there_;

    /** The field of the next PAUSE that has come; empty: none. */
    std::string told() {
        const std::optional<Frame> frame = there_.tryReceive();
        CPPUNIT_ASSERT(!frame || frame->type == FrameType::PAUSE);
        return frame ? frame->field(0) : "";
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        DescriptorPair pair = makeStreamPair();
        parts_.control = FrameSocket(std::move(pair.first));
        there_ = FrameSocket(std::move(pair.second));
    }

    void tearDown() override {
        parts_ = SpawnResult();
        there_ = {};
        LeakCheck::tearDown();
    }

    void testAnInstanceMayTakeRequestsUntilItHasAnswered() {
        InstanceLink link(parts_);
        InstancePause pause(link);
        CPPUNIT_ASSERT(!pause.isOn());
        CPPUNIT_ASSERT(!pause.mayStillTake());
        pause.begin();
        CPPUNIT_ASSERT_EQUAL(std::string("1"), told());
        CPPUNIT_ASSERT(pause.isOn());
        CPPUNIT_ASSERT(pause.mayStillTake());
        pause.answered(false);
        CPPUNIT_ASSERT_MESSAGE("It works at requests", pause.mayStillTake() && !pause.isAtRest());
        pause.answered(true);
        CPPUNIT_ASSERT(pause.isOn());
        CPPUNIT_ASSERT(!pause.mayStillTake());
        CPPUNIT_ASSERT(pause.isAtRest());
        pause.end();
        CPPUNIT_ASSERT_EQUAL(std::string("0"), told());
        CPPUNIT_ASSERT(!pause.isOn());
        CPPUNIT_ASSERT(!pause.mayStillTake());
        CPPUNIT_ASSERT(!pause.isAtRest());
    }

    void testAnInstanceIsAskedOnce() {
        InstanceLink link(parts_);
        InstancePause pause(link);
        pause.begin();
        pause.begin();
        CPPUNIT_ASSERT_EQUAL(std::string("1"), told());
        CPPUNIT_ASSERT_EQUAL(std::string(), told());
        pause.answered(true);
        pause.begin();
        CPPUNIT_ASSERT_EQUAL(std::string(), told());
        CPPUNIT_ASSERT(pause.isAtRest());
        pause.end();
        CPPUNIT_ASSERT_EQUAL(std::string("0"), told());
        pause.begin();
        CPPUNIT_ASSERT_EQUAL(std::string("1"), told());
        CPPUNIT_ASSERT(pause.mayStillTake());
    }

    void testAnInstanceThatBeganPausedTakesNone() {
        InstanceLink link(parts_);
        InstancePause pause(link);
        pause.served(true);
        CPPUNIT_ASSERT(pause.isOn());
        CPPUNIT_ASSERT(!pause.mayStillTake());
        CPPUNIT_ASSERT_MESSAGE("It may have requests of an earlier pool process", !pause.isAtRest());
        pause.begin();
        CPPUNIT_ASSERT_EQUAL(std::string(), told());
        pause.served(false);
        CPPUNIT_ASSERT(!pause.isOn());
    }

    void testAnInstanceWithoutAControlSocketIsNotWaitedFor() {
        parts_.control = {};
        InstanceLink link(parts_);
        InstancePause pause(link);
        pause.begin();
        CPPUNIT_ASSERT(pause.isOn());
        CPPUNIT_ASSERT(!pause.mayStillTake());
    }

    void testTheAnswerToFinishIsNoPause() {
        InstanceLink link(parts_);
        InstancePause pause(link);
        pause.answered(true);
        CPPUNIT_ASSERT(pause.isAtRest());
        CPPUNIT_ASSERT(!pause.isOn());
    }

    void testEachOrderHasOneAnswer() {
        InstanceLink link(parts_);
        InstancePause pause(link);
        CPPUNIT_ASSERT_MESSAGE("An earlier pool process may have asked", pause.answered(true));
        CPPUNIT_ASSERT(!pause.answered(true));
        pause.begin();
        pause.begin();
        CPPUNIT_ASSERT(pause.answered(true));
        CPPUNIT_ASSERT(!pause.answered(false));
        pause.end();
        pause.finish();
        CPPUNIT_ASSERT(pause.answered(false));
        CPPUNIT_ASSERT(pause.answered(true));
        CPPUNIT_ASSERT(!pause.answered(true));
        CPPUNIT_ASSERT_MESSAGE("What it says counts", pause.isAtRest());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(InstancePauseTest);

}  // namespace Passenger
