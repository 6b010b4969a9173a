#include "commands/RestartWait.h"

#include <cppunit/extensions/HelperMacros.h>

namespace Passenger {

class RestartWaitTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(RestartWaitTest);
    CPPUNIT_TEST(testTheOldVersionDoesNotCount);
    CPPUNIT_TEST(testANewVersionServes);
    CPPUNIT_TEST(testInstancesThatWereTakenOverJustBeforeTheOrderDoNotCount);
    CPPUNIT_TEST(testAnApplicationWithoutInstancesNeedsNoWait);
    CPPUNIT_TEST(testAPausedApplicationWithoutInstancesNeedsNoWait);
    CPPUNIT_TEST(testAnOldInstanceThatEndsIsWaitedFor);
    CPPUNIT_TEST(testANewInstanceThatHasEndedMeanwhileIsNotWaitedFor);
    CPPUNIT_TEST(testAFailureSinceTheOrderCounts);
    CPPUNIT_TEST(testAnEarlierFailureDoesNotCount);
    CPPUNIT_TEST_SUITE_END();

    static AppStatus app(const char *state, std::uint64_t version) {
        AppStatus made;
        made.state = state;
        made.version = version;
        return made;
    }
    static AppStatus with(AppStatus app, const char *state, std::uint64_t version) {
        InstanceStatus instance;
        instance.state = state;
        instance.version = version;
        app.instances.push_back(instance);
        return app;
    }
    static AppStatus failing(const char *state, std::uint64_t version, double age) {
        AppStatus made = app(state, version);
        made.failure = FailureStatus{"", "", "", age};
        return made;
    }
    static RestartWait::Outcome outcome(const AppStatus &now) {
        return outcome(with(app("serving", 3), "serving", 3), now);
    }
    static RestartWait::Outcome outcome(const AppStatus &before, const AppStatus &now) {
        constexpr double ELAPSED = 5;
        return RestartWait::outcome(before, now, ELAPSED);
    }

public:
    void testTheOldVersionDoesNotCount() {
        CPPUNIT_ASSERT(RestartWait::Outcome::UNDER_WAY == outcome(with(app("serving", 3), "serving", 3)));
        CPPUNIT_ASSERT(RestartWait::Outcome::UNDER_WAY == outcome(with(app("deploying", 3), "serving", 3)));
        CPPUNIT_ASSERT(RestartWait::Outcome::UNDER_WAY == outcome(with(failing("deploy-waits", 3, 4), "serving", 3)));
        CPPUNIT_ASSERT(RestartWait::Outcome::UNDER_WAY == outcome(app("starting", 4)));
        CPPUNIT_ASSERT(RestartWait::Outcome::UNDER_WAY == outcome(app("paused", 4)));
    }

    void testANewVersionServes() {
        CPPUNIT_ASSERT(RestartWait::Outcome::SERVES ==
                       outcome(with(with(app("serving", 4), "draining", 3), "serving", 4)));
        CPPUNIT_ASSERT(RestartWait::Outcome::SERVES == outcome(with(app("paused", 4), "serving", 4)));
    }

    void testInstancesThatWereTakenOverJustBeforeTheOrderDoNotCount() {
        const AppStatus unknown = with(app("down", 0), "standby", 0);
        AppStatus now = with(app("deploying", 1), "serving", 1);
        now.counters.restarts = 1;
        CPPUNIT_ASSERT(RestartWait::Outcome::UNDER_WAY == outcome(unknown, now));
        CPPUNIT_ASSERT_MESSAGE("They have ended before it",
                               RestartWait::Outcome::SERVES == outcome(unknown, with(app("serving", 1), "serving", 1)));
        AppStatus adopted = with(app("serving", 1), "serving", 1);
        adopted.instances.front().adopted = true;
        CPPUNIT_ASSERT_MESSAGE("They are asked to restart",
                               RestartWait::Outcome::UNDER_WAY == outcome(unknown, adopted));
    }

    void testAnApplicationWithoutInstancesNeedsNoWait() {
        CPPUNIT_ASSERT(RestartWait::Outcome::IDLE == outcome(app("down", 3), app("down", 4)));
        const AppStatus left = with(app("down", 0), "standby", 0);
        CPPUNIT_ASSERT_MESSAGE("But those of an earlier pool process",
                               RestartWait::Outcome::IDLE == outcome(left, left));
    }

    void testAPausedApplicationWithoutInstancesNeedsNoWait() {
        CPPUNIT_ASSERT(RestartWait::Outcome::IDLE == outcome(app("paused", 3), app("paused", 4)));
        const AppStatus left = with(app("paused", 0), "standby", 0);
        CPPUNIT_ASSERT_MESSAGE("But those of an earlier pool process",
                               RestartWait::Outcome::IDLE == outcome(left, left));
    }

    void testAnOldInstanceThatEndsIsWaitedFor() {
        CPPUNIT_ASSERT(RestartWait::Outcome::UNDER_WAY == outcome(with(app("down", 4), "draining", 3)));
        CPPUNIT_ASSERT(RestartWait::Outcome::UNDER_WAY == outcome(app("down", 4)));
        const AppStatus ending = with(app("down", 4), "draining", 3);
        CPPUNIT_ASSERT(RestartWait::Outcome::UNDER_WAY == outcome(ending, with(app("down", 5), "draining", 3)));
    }

    void testANewInstanceThatHasEndedMeanwhileIsNotWaitedFor() {
        AppStatus now = app("down", 4);
        now.counters.spawned = 1;
        CPPUNIT_ASSERT(RestartWait::Outcome::IDLE == outcome(now));
    }

    void testAFailureSinceTheOrderCounts() {
        CPPUNIT_ASSERT(RestartWait::Outcome::FAILED == outcome(failing("deploy-failed", 4, 4)));
        CPPUNIT_ASSERT(RestartWait::Outcome::FAILED == outcome(failing("failed", 4, 4)));
        // The next attempt may be made, and no request has asked for it.
        CPPUNIT_ASSERT(RestartWait::Outcome::FAILED == outcome(failing("down", 4, 4)));
        CPPUNIT_ASSERT(RestartWait::Outcome::UNDER_WAY == outcome(failing("starting", 4, 4)));
    }

    void testAnEarlierFailureDoesNotCount() {
        CPPUNIT_ASSERT(RestartWait::Outcome::UNDER_WAY == outcome(failing("deploy-failed", 3, 6)));
        CPPUNIT_ASSERT(RestartWait::Outcome::UNDER_WAY == outcome(failing("down", 4, 6)));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RestartWaitTest);

}  // namespace Passenger
