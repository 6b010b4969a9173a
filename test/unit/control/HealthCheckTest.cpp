#include "control/HealthCheck.h"

#include <cppunit/extensions/HelperMacros.h>

#include "support/HasText.h"
#include "support/SampleStatus.h"

namespace Passenger {

class HealthCheckTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(HealthCheckTest);
    CPPUNIT_TEST(testApplicationsThatCouldServeAreHealthy);
    CPPUNIT_TEST(testAnApplicationThatDoesNotStartIsNot);
    CPPUNIT_TEST(testAnOldRequestInTheQueueSendsOthersElsewhere);
    CPPUNIT_TEST(testDrainingSendsRequestsElsewhere);
    CPPUNIT_TEST(testAPauseSendsRequestsElsewhere);
    CPPUNIT_TEST(testTheFirstStartsSendRequestsElsewhere);
    CPPUNIT_TEST(testOneOfSeveralApplicationsIsEnough);
    CPPUNIT_TEST_SUITE_END();

    static constexpr std::chrono::seconds AGE{5};

    static std::string reason(const AppStatus &app) { return reasonToSendElsewhere(sampleStatus({app}), AGE); }

public:
    void testApplicationsThatCouldServeAreHealthy() {
        AppStatus app = sampleApp("/srv/blog");
        for (const char *state : {"down", "starting", "serving", "deploying", "deploy-failed"}) {
            app.state = state;
            CPPUNIT_ASSERT_EQUAL(std::string(), reason(app));
        }
        CPPUNIT_ASSERT_EQUAL(std::string(), reasonToSendElsewhere(sampleStatus({}), AGE));
    }

    void testAnApplicationThatDoesNotStartIsNot() {
        AppStatus app = sampleApp("/srv/blog");
        app.failing = true;
        // Between two attempts, and during one.
        for (const char *state : {"failed", "down", "starting", "deploying"}) {
            app.state = state;
            CPPUNIT_ASSERT_EQUAL(std::string("the application /srv/blog (production) does not start"), reason(app));
        }
        app.failing = false;
        app.state = "shut-down";
        CPPUNIT_ASSERT(hasText(reason(app), "shuts down"));
    }

    void testAnOldRequestInTheQueueSendsOthersElsewhere() {
        AppStatus app = sampleApp("/srv/blog");
        app.queue.waiting = 3;
        app.queue.oldest = 4.9;
        CPPUNIT_ASSERT_EQUAL(std::string(), reason(app));
        app.queue.oldest = 5;
        CPPUNIT_ASSERT(hasText(reason(app), "has let a request wait for 5 s, and the limit is 5 s"));
    }

    void testDrainingSendsRequestsElsewhere() {
        AppStatus app = sampleApp("/srv/blog");
        app.draining = true;
        CPPUNIT_ASSERT(hasText(reason(app), "drains"));
        ServerStatus status = sampleStatus({});
        status.draining = true;
        CPPUNIT_ASSERT_EQUAL(std::string("the server drains"), reasonToSendElsewhere(status, AGE));
    }

    void testAPauseSendsRequestsElsewhere() {
        AppStatus app = sampleApp("/srv/blog");
        app.state = "paused";
        app.queue.pausedFor = 0.1;
        CPPUNIT_ASSERT_EQUAL(std::string("the application /srv/blog (production) is paused"), reason(app));
    }

    void testTheFirstStartsSendRequestsElsewhere() {
        ServerStatus status = sampleStatus({sampleApp("/srv/blog")});
        status.warmingUp = true;
        CPPUNIT_ASSERT_EQUAL(std::string("the applications of PassengerPreStart are starting"),
                             reasonToSendElsewhere(status, AGE));
    }

    void testOneOfSeveralApplicationsIsEnough() {
        AppStatus failed = sampleApp("/srv/shop");
        failed.failing = true;
        CPPUNIT_ASSERT(
            hasText(reasonToSendElsewhere(sampleStatus({sampleApp("/srv/blog"), failed}), AGE), "/srv/shop"));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(HealthCheckTest);

}  // namespace Passenger
