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
        const auto variables = environmentOf(reforking());
        CPPUNIT_ASSERT_EQUAL(std::string("1.1"), variables.at("RUBY_GC_HEAP_GROWTH_FACTOR"));
        CPPUNIT_ASSERT_EQUAL(std::string("0.1"), variables.at("RUBY_GC_HEAP_FREE_SLOTS_MIN_RATIO"));
        CPPUNIT_ASSERT_EQUAL(std::string("0.2"), variables.at("RUBY_GC_HEAP_FREE_SLOTS_GOAL_RATIO"));
        CPPUNIT_ASSERT_EQUAL(std::string("0.3"), variables.at("RUBY_GC_HEAP_FREE_SLOTS_MAX_RATIO"));
    }

    void testItIsLeftAsItIsWhereNoneWillBeMade() {
        Options off = reforking();
        off.reforkAfter = 0;
        CPPUNIT_ASSERT(!environmentOf(off).contains(FACTOR));
        CPPUNIT_ASSERT_MESSAGE("An instance that is started without a preloader",
                               !environmentOf(reforking(), StartRequest::Role::INSTANCE).contains(FACTOR));
    }

    void testWhatTheAdministratorSaysOfItCounts() {
        Options options = reforking();
        options.variables = [] { return Options::Variables{{FACTOR, "1.5"}}; };
        CPPUNIT_ASSERT_EQUAL(std::string("1.5"), environmentOf(options).at(FACTOR));
        CPPUNIT_ASSERT_MESSAGE("Ours would limit it",
                               !environmentOf(options).contains("RUBY_GC_HEAP_FREE_SLOTS_MAX_RATIO"));
    }

    void testAPreloaderOfAnotherHeapDoesNotSuit() {
        Options off = reforking();
        off.reforkAfter = 0;
        CPPUNIT_ASSERT(SpawnPlan(reforking(), {}) == SpawnPlan(reforking(), {}));
        CPPUNIT_ASSERT(!(SpawnPlan(reforking(), {}) == SpawnPlan(off, {})));
    }

private:
    static constexpr const char *FACTOR = "RUBY_GC_HEAP_GROWTH_FACTOR";

    static Options::Variables environmentOf(const Options &options,
                                            StartRequest::Role role = StartRequest::Role::PRELOADER) {
        return SpawnPlan(options, {}).request(role).environment;
    }

    static Options reforking() {
        Options options;
        options.reforkAfter = 1000;
        return options;
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SpawnPlanTest);

}  // namespace Passenger
