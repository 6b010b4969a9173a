#include "spawning/SpawnPlan.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>

namespace Passenger {

/** With what processes are started. That they get it, and what is inherited, SpawnFailureTest shows with real ones. */
class SpawnPlanTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(SpawnPlanTest);
    CPPUNIT_TEST(testRubysHeapIsSmallWhereWarmInstancesMakePreloaders);
    CPPUNIT_TEST(testItIsLeftAsItIsWhereNoneWillBeMade);
    CPPUNIT_TEST(testWhatTheAdministratorSaysOfItCounts);
    CPPUNIT_TEST(testAPreloaderOfAnotherHeapDoesNotSuit);
    CPPUNIT_TEST_SUITE_END();

public:
    void testRubysHeapIsSmallWhereWarmInstancesMakePreloaders() {
        const auto variables = SpawnPlan(reforking(), {}).environment;
        CPPUNIT_ASSERT_EQUAL(std::string("1.1"), variables.at("RUBY_GC_HEAP_GROWTH_FACTOR"));
        CPPUNIT_ASSERT_EQUAL(std::string("0.1"), variables.at("RUBY_GC_HEAP_FREE_SLOTS_MIN_RATIO"));
        CPPUNIT_ASSERT_EQUAL(std::string("0.2"), variables.at("RUBY_GC_HEAP_FREE_SLOTS_GOAL_RATIO"));
        CPPUNIT_ASSERT_EQUAL(std::string("0.3"), variables.at("RUBY_GC_HEAP_FREE_SLOTS_MAX_RATIO"));
    }

    void testItIsLeftAsItIsWhereNoneWillBeMade() {
        Options off = reforking();
        off.reforkAfter = 0;
        Options direct = reforking();
        direct.spawnMethod = "direct";
        Options http = reforking();
        http.startCommand = "./server";
        for (const Options &options : {off, direct, http}) {
            CPPUNIT_ASSERT(!SpawnPlan(options, {}).environment.contains(FACTOR));
        }
    }

    void testWhatTheAdministratorSaysOfItCounts() {
        Options options = reforking();
        options.variables = [] { return Options::Variables{{FACTOR, "1.5"}}; };
        CPPUNIT_ASSERT_EQUAL(std::string("1.5"), SpawnPlan(options, {}).environment.at(FACTOR));
    }

    void testAPreloaderOfAnotherHeapDoesNotSuit() {
        Options off = reforking();
        off.reforkAfter = 0;
        CPPUNIT_ASSERT(SpawnPlan(reforking(), {}) == SpawnPlan(reforking(), {}));
        CPPUNIT_ASSERT(!(SpawnPlan(reforking(), {}) == SpawnPlan(off, {})));
    }

private:
    static constexpr const char *FACTOR = "RUBY_GC_HEAP_GROWTH_FACTOR";

    static Options reforking() {
        Options options;
        options.reforkAfter = 1000;
        return options;
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SpawnPlanTest);

}  // namespace Passenger
