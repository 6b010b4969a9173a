#include "commands/RestartWait.h"

#include <cppunit/extensions/HelperMacros.h>

namespace Passenger {

class RestartWaitTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(RestartWaitTest);
    CPPUNIT_TEST(testTheOldVersionDoesNotCount);
    CPPUNIT_TEST(testANewVersionServes);
    CPPUNIT_TEST(testAnApplicationWithoutInstancesNeedsNoWait);
    CPPUNIT_TEST(testAFailureSinceTheOrderCounts);
    CPPUNIT_TEST(testAnEarlierFailureDoesNotCount);
    CPPUNIT_TEST_SUITE_END();

    static AppStatus app(const char *state, std::uint64_t version) {
        AppStatus made;
        made.state = state;
        made.version = version;
        return made;
    }
    static RestartWait::Outcome outcome(const AppStatus &now) {
        constexpr double ELAPSED = 5;
        return RestartWait::outcome(app("serving", 3), now, ELAPSED);
    }

public:
    void testTheOldVersionDoesNotCount() {
        CPPUNIT_ASSERT(RestartWait::Outcome::UNDER_WAY == outcome(app("serving", 3)));
        CPPUNIT_ASSERT(RestartWait::Outcome::UNDER_WAY == outcome(app("deploying", 4)));
        CPPUNIT_ASSERT(RestartWait::Outcome::UNDER_WAY == outcome(app("starting", 4)));
    }

    void testANewVersionServes() {
        CPPUNIT_ASSERT(RestartWait::Outcome::SERVES == outcome(app("serving", 4)));
    }

    void testAnApplicationWithoutInstancesNeedsNoWait() {
        CPPUNIT_ASSERT(RestartWait::Outcome::SERVES == outcome(app("down", 3)));
    }

    void testAFailureSinceTheOrderCounts() {
        AppStatus now = app("deploy-failed", 4);
        now.failure = FailureStatus{"", "", "", 4};
        CPPUNIT_ASSERT(RestartWait::Outcome::FAILED == outcome(now));
        now.state = "failed";
        CPPUNIT_ASSERT(RestartWait::Outcome::FAILED == outcome(now));
    }

    void testAnEarlierFailureDoesNotCount() {
        AppStatus now = app("deploy-failed", 3);
        now.failure = FailureStatus{"", "", "", 6};
        CPPUNIT_ASSERT(RestartWait::Outcome::UNDER_WAY == outcome(now));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RestartWaitTest);

}  // namespace Passenger
