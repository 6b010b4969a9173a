#include "pool/ScalingPolicy.h"

#include <cppunit/extensions/HelperMacros.h>

namespace Passenger {

class ScalingPolicyTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ScalingPolicyTest);
    CPPUNIT_TEST(testHowManyAreStarted);
    CPPUNIT_TEST_SUITE_END();

public:
    void testHowManyAreStarted() {
        struct Case {
            const char *what;
            ScalingSnapshot snapshot;
            unsigned starts;
        };
        const Case cases[] = {
            {"nothing to do", {.instances = 1, .inFlight = 0}, 0},
            {"the first request", {.instances = 0, .inFlight = 1}, 1},
            {"one for each request", {.instances = 1, .inFlight = 3}, 2},
            {"those on their way count", {.instances = 1, .starting = 1, .inFlight = 3}, 1},
            {"enough for all", {.instances = 3, .inFlight = 3}, 0},
            {"more than enough", {.instances = 5, .inFlight = 3}, 0},
            {"threads share an instance", {.instances = 0, .threads = 4, .inFlight = 5}, 2},
            {"threads to spare", {.instances = 1, .threads = 4, .inFlight = 4}, 0},
            {"no threads is nonsense, and counts as one",
             {.instances = 0, .threads = 0, .inFlight = 0, .minInstances = 0},
             0},
            {"the minimum", {.instances = 1, .inFlight = 0, .minInstances = 3}, 2},
            {"no minimum for who was never used", {.instances = 0, .inFlight = 0, .minInstances = 3, .used = false}, 0},
            {"requests of who was never used", {.instances = 0, .inFlight = 2, .minInstances = 3, .used = false}, 2},
            {"the application's own limit", {.instances = 1, .inFlight = 9, .maxInstances = 2}, 1},
            {"at its limit", {.instances = 2, .inFlight = 9, .maxInstances = 2}, 0},
            {"above its limit, since it was lowered", {.instances = 4, .inFlight = 9, .maxInstances = 2}, 0},
            {"a limit below the minimum", {.instances = 0, .inFlight = 0, .minInstances = 3, .maxInstances = 2}, 2},
        };
        for (const Case &each : cases) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(each.what, each.starts, instancesToStart(each.snapshot));
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ScalingPolicyTest);

}  // namespace Passenger
