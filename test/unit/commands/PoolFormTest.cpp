#include "commands/PoolForm.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>

#include "commands/OverviewForm.h"
#include "commands/RequestsForm.h"
#include "support/SmallStatus.h"

namespace Passenger {

/** The forms of passenger-status. */
class PoolFormTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(PoolFormTest);
    CPPUNIT_TEST(testThePoolHasTheFormOfPhusionPassenger);
    CPPUNIT_TEST(testAnInstanceWithoutAnAnswerIsUnusedSinceItsStart);
    CPPUNIT_TEST(testVerboseShowsTimesAndFailures);
    CPPUNIT_TEST(testColoursAreOnTheHeadersOnly);
    CPPUNIT_TEST(testControlCharactersOfAnApplicationDoNotReachTheTerminal);
    CPPUNIT_TEST(testRequestsAreListedWithTheirAges);
    CPPUNIT_TEST(testTheOverviewHasALineForEachApplication);
    CPPUNIT_TEST(testAnEmptyPoolHasItsFormToo);
    CPPUNIT_TEST(testAPauseIsToldAfterADeployThatFailed);
    CPPUNIT_TEST_SUITE_END();

    static void expectIn(const std::string &text, const std::string &part) {
        CPPUNIT_ASSERT_MESSAGE(text, text.find(part) != std::string::npos);
    }

public:
    void testThePoolHasTheFormOfPhusionPassenger() {
        CPPUNIT_ASSERT_EQUAL(std::string("----------- General information -----------\n"
                                         "Max pool size : 6\n"
                                         "App groups    : 2\n"
                                         "Processes     : 2\n"
                                         "Requests in top-level queue : 1\n"
                                         "\n"
                                         "----------- Application groups -----------\n"
                                         "/srv/blog (production):\n"
                                         "  App root: /srv/blog\n"
                                         "  (spawning 1 new process...)\n"
                                         "  Requests in queue: 4\n"
                                         "  * PID: 4711    Sessions: 1       Processed: 8       Uptime: 5h 53m 29s\n"
                                         "    CPU: 10%     Memory  : 99M     Last used: 0s ago, in work for 2.1 s\n"
                                         "  * PID: 4712    Sessions: 0       Processed: 3       Uptime: 1m 1s\n"
                                         "    CPU: 0%      Memory  : 0M      Last used: 33s ago\n"
                                         "    Shutting down...\n"
                                         "    Being replaced: memory limit\n"
                                         "\n"
                                         "/srv/shop <&> (production):\n"
                                         "  App root: /srv/shop <&>\n"
                                         "  (failed to start)\n"
                                         "  (starts fail one after the other)\n"
                                         "  Requests in queue: 0\n"
                                         "  Last failed start: 1m 30s ago: command \"node\" not found\n"
                                         "    install nodejs\n"
                                         "    Report: passenger-config report 7f3a\n"
                                         "\n"),
                             poolForm(smallStatus(), {}));
    }

    void testAnInstanceWithoutAnAnswerIsUnusedSinceItsStart() {
        ServerStatus status = smallStatus();
        status.apps[0].instances[1].processed = 0;
        status.apps[0].instances[1].lastUsed = 0;
        expectIn(poolForm(status, {}), "Processed: 0       Uptime: 1m 1s\n");
        expectIn(poolForm(status, {}), "Last used: 1m 1s ago\n");
    }

    void testVerboseShowsTimesAndFailures() {
        const std::string text = poolForm(smallStatus(), {.verbose = true});
        expectIn(text, "  State: serving   User: alice   Version: 3   Instances: 1 to the pool's limit\n");
        expectIn(text, "  Last 60 s: 120 requests, queue p50 1 ms p99 3 ms, service p50 10 ms p99 1.5 s\n");
    }

    void testColoursAreOnTheHeadersOnly() {
        const std::string text = poolForm(smallStatus(), {.colours = true});
        expectIn(text, "\x1b[1m----------- General information -----------\x1b[0m\n");
        CPPUNIT_ASSERT_EQUAL(std::string::npos, poolForm(smallStatus(), {}).find('\x1b'));
    }

    void testControlCharactersOfAnApplicationDoNotReachTheTerminal() {
        ServerStatus status = smallStatus();
        for (AppStatus &app : status.apps) {
            app.name = "a\x1b]0;b\x07\xC2\x9B";
            app.root = app.user = app.name;
        }
        status.apps[1].failure->summary = status.apps[1].failure->remedy = "\x1b[2J";
        status.apps[0].instances[1].replacementReason = "\r";
        const std::string text = poolForm(status, {.verbose = true}) + requestsForm(status) + overviewForm(status, {});
        CPPUNIT_ASSERT_EQUAL(std::string::npos, text.find_first_of("\x1b\x07\x9b\r"));
        expectIn(text, "a\\x1b]0;b\\x07\\x9b:\n");
    }

    void testRequestsAreListedWithTheirAges() {
        expectIn(requestsForm(smallStatus()),
                 "/srv/blog (production):\n"
                 "  In work: 1\n"
                 "  * PID: 4711    Requests: 1 of 1   The oldest: 2.1 s\n"
                 "  Waiting: 4 of at most 100   The oldest: 350 ms\n");
    }

    void testTheOverviewHasALineForEachApplication() {
        const std::string text = overviewForm(smallStatus(), {});
        expectIn(text, "Instances 3 of 6, applications 2, waiting for room 1\n\n");
        expectIn(text, "   1/2     4  350 ms     2.0   10 ms   1.5 s   99 MB   10%  /srv/blog (production)\n");
        expectIn(text, "[crash-looping] /srv/shop <&> (production)\n");
    }

    void testAnEmptyPoolHasItsFormToo() {
        expectIn(poolForm(ServerStatus(), {}), "App groups    : 0\n");
        CPPUNIT_ASSERT_EQUAL(std::string("No application is known to the agent.\n"), requestsForm(ServerStatus()));
    }

    void testAPauseIsToldAfterADeployThatFailed() {
        ServerStatus status = smallStatus();
        status.apps[0].state = "deploy-failed";
        expectIn(poolForm(status, {}), "(the new version failed to start; the old one serves)\n");
        status.apps[0].queue.pausedFor = 60;
        expectIn(poolForm(status, {}), "  (the new version failed to start)\n  (paused)\n");
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolFormTest);

}  // namespace Passenger
