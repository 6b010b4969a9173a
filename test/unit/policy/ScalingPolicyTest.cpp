#include "policy/ScalingPolicy.h"

#include <cppunit/extensions/HelperMacros.h>

namespace Passenger {

using namespace std::chrono_literals;

class ScalingPolicyTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ScalingPolicyTest);
    CPPUNIT_TEST(testTheNumberOfInstancesToStart);
    CPPUNIT_TEST_SUITE_END();

public:
    void testTheNumberOfInstancesToStart() {
        struct Case {
            const char *what;
            ScalingSnapshot snapshot;
            unsigned starts;
        };
        const Case cases[] = {
            {"nothing to do", {.serving = 1}, 0},
            {"the first request", {.waiting = 1}, 1},
            {"a burst: one for each request", {.waiting = 3, .cores = 8}, 3},
            {"no more at once than there are cores", {.waiting = 30, .cores = 8}, 8},
            {"and those that are starting count", {.starting = 7, .waiting = 30, .cores = 8}, 1},
            {"two at once on a single core", {.waiting = 30, .cores = 1}, 2},
            {"one, which tells how many requests it takes", {.waiting = 30, .cores = 8, .oneByOne = true}, 1},
            {"and until then no other one", {.starting = 1, .waiting = 30, .cores = 8, .oneByOne = true}, 0},
            {"as many as it wants to start with", {.waiting = 1, .cores = 8, .startInstances = 3}, 3},
            {"one waits, and one is on its way", {.serving = 1, .starting = 1, .waiting = 1, .idleCores = 8}, 0},
            {"threads share an instance", {.threads = 4, .waiting = 5, .cores = 8}, 2},
            {"no threads is nonsense, and counts as one", {.threads = 0, .waiting = 2, .cores = 8}, 2},
            {"the head waits for less than an answer takes",
             {.serving = 1, .waiting = 3, .headAge = 4ms, .serviceTime = 5ms, .idleCores = 8, .cores = 8},
             0},
            {"the head has waited longer",
             {.serving = 1, .waiting = 3, .headAge = 5ms, .serviceTime = 5ms, .idleCores = 8, .cores = 8},
             3},
            {"a second is enough, however long answers take",
             {.serving = 1, .waiting = 1, .headAge = 1s, .serviceTime = 60s, .idleCores = 8, .cores = 8},
             1},
            {"as many as there are free cores",
             {.serving = 1, .waiting = 3, .headAge = 5ms, .serviceTime = 5ms, .idleCores = 2.5, .cores = 8},
             2},
            {"no free core", {.serving = 1, .waiting = 3, .headAge = 500ms, .serviceTime = 5ms, .idleCores = 0.5}, 0},
            {"no free core, and the line hardly moves",
             {.serving = 1, .waiting = 3, .headAge = 1001ms, .serviceTime = 5ms, .idleCores = 0},
             1},
            {"no free core, and answers take long",
             {.serving = 1, .waiting = 3, .headAge = 3s, .serviceTime = 1s, .idleCores = 0},
             0},
            {"the minimum", {.serving = 1, .cores = 8, .minInstances = 3}, 2},
            {"no minimum for who was never used", {.cores = 8, .minInstances = 3, .used = false}, 0},
            {"requests of who was never used", {.waiting = 2, .cores = 8, .minInstances = 3, .used = false}, 2},
            {"as many as before", {.serving = 1, .cores = 8, .restoreTo = 3}, 2},
            {"the application's own limit", {.serving = 1, .waiting = 9, .idleCores = 8, .maxInstances = 2}, 1},
            {"at its limit", {.serving = 2, .waiting = 9, .idleCores = 8, .maxInstances = 2}, 0},
            {"others count for the limit", {.waiting = 9, .maxInstances = 2, .others = 2}, 0},
            {"above its limit, since it was lowered", {.serving = 4, .waiting = 9, .maxInstances = 2, .others = 3}, 0},
            {"a limit below the minimum", {.minInstances = 3, .maxInstances = 2}, 2},
        };
        for (const Case &each : cases) {
            CPPUNIT_ASSERT_EQUAL_MESSAGE(each.what, each.starts, instancesToStart(each.snapshot));
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ScalingPolicyTest);

}  // namespace Passenger
