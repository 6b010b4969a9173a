#include "control/StatusText.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <regex>

#include "support/HasText.h"
#include "support/SampleStatus.h"

namespace Passenger {

class StatusTextTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(StatusTextTest);
    CPPUNIT_TEST(testEachLineIsAKeyAndAValue);
    CPPUNIT_TEST(testApplicationsAreNumbered);
    CPPUNIT_TEST(testAClockThatWasSetBackGivesNoHugeUptime);
    CPPUNIT_TEST(testTheFirstStartsAreTold);
    CPPUNIT_TEST(testAHostileNameStaysInItsLine);
    CPPUNIT_TEST_SUITE_END();

public:
    void testEachLineIsAKeyAndAValue() {
        const std::string text = statusAsText(sampleStatus({sampleApp("/srv/blog"), sampleApp("/srv/shop")}));
        const std::regex line("(App\\[\\d+\\])?[A-Z][A-Za-z0-9]*: .*");
        for (auto begin = text.begin(); begin != text.end();) {
            const auto end = std::find(begin, text.end(), '\n');
            CPPUNIT_ASSERT_MESSAGE(std::string(begin, end), std::regex_match(begin, end, line));
            begin = end + 1;
        }
    }

    void testApplicationsAreNumbered() {
        const std::string text = statusAsText(sampleStatus({sampleApp("/srv/blog"), sampleApp("/srv/shop")}));
        for (const char *line :
             {"PassengerVersion: 0.1.0\n", "PoolSize: 2\n", "Applications: 2\n", "App[0]Name: /srv/blog (production)\n",
              "App[1]Name: /srv/shop (production)\n", "App[0]Instances: 2\n", "App[0]TotalRequests: 1234\n",
              "App[0]Requests60: 120\n", "App[0]QueueTime900P50: 6.4e-05\n", "App[0]ServiceTime86400P99: 2\n"}) {
            CPPUNIT_ASSERT_MESSAGE(line, hasText(text, line));
        }
    }

    void testAClockThatWasSetBackGivesNoHugeUptime() {
        ServerStatus status = sampleStatus({});
        status.since = status.now + 3600;
        CPPUNIT_ASSERT(hasText(statusAsText(status), "\nUptime: 0\n"));
    }

    void testTheFirstStartsAreTold() {
        ServerStatus status = sampleStatus({});
        CPPUNIT_ASSERT(hasText(statusAsText(status), "\nServerWarmingUp: 0\n"));
        status.warmingUp = true;
        CPPUNIT_ASSERT(hasText(statusAsText(status), "\nServerWarmingUp: 1\n"));
    }

    void testAHostileNameStaysInItsLine() {
        AppStatus app = sampleApp("/srv/x");
        app.name = "a\nPoolSize: 99\x1b[0m";
        CPPUNIT_ASSERT(hasText(statusAsText(sampleStatus({app})), "App[0]Name: a PoolSize: 99\\x1b[0m\n"));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(StatusTextTest);

}  // namespace Passenger
