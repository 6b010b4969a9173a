#include "spawning/SpawnPlan.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>

namespace Passenger {

/** The environment with which processes are started. SpawnFailureTest shows with real processes
 *  that they get it, and the inherited variables. */
class SpawnPlanTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(SpawnPlanTest);
    CPPUNIT_TEST(testRubysHeapGrowsSlowlyIfWarmInstancesMakePreloaders);
    CPPUNIT_TEST(testWithoutReforkingRubysHeapKeepsItsDefaults);
    CPPUNIT_TEST(testTheAdministratorsHeapSettingsTakePrecedence);
    CPPUNIT_TEST(testAPreloaderWithOtherHeapSettingsDoesNotSuit);
    CPPUNIT_TEST(testAPreloaderOfAnotherTypeFileOrCallableDoesNotSuit);
    CPPUNIT_TEST(testNoVariableChoosesTheFolderThatIsEntered);
    CPPUNIT_TEST_SUITE_END();

public:
    void testRubysHeapGrowsSlowlyIfWarmInstancesMakePreloaders() {
        const auto variables = environmentOf(reforking());
        CPPUNIT_ASSERT_EQUAL(std::string("1.1"), variables.at("RUBY_GC_HEAP_GROWTH_FACTOR"));
        CPPUNIT_ASSERT_EQUAL(std::string("0.1"), variables.at("RUBY_GC_HEAP_FREE_SLOTS_MIN_RATIO"));
        CPPUNIT_ASSERT_EQUAL(std::string("0.2"), variables.at("RUBY_GC_HEAP_FREE_SLOTS_GOAL_RATIO"));
        CPPUNIT_ASSERT_EQUAL(std::string("0.3"), variables.at("RUBY_GC_HEAP_FREE_SLOTS_MAX_RATIO"));
    }

    void testWithoutReforkingRubysHeapKeepsItsDefaults() {
        Options off = reforking();
        off.reforkAfter = 0;
        CPPUNIT_ASSERT(!environmentOf(off).contains(FACTOR));
        CPPUNIT_ASSERT_MESSAGE("An instance that is started without a preloader",
                               !environmentOf(reforking(), StartRequest::Role::INSTANCE).contains(FACTOR));
    }

    void testTheAdministratorsHeapSettingsTakePrecedence() {
        Options options = reforking();
        options.variables = [] { return Options::Variables{{FACTOR, "1.5"}}; };
        CPPUNIT_ASSERT_EQUAL(std::string("1.5"), environmentOf(options).at(FACTOR));
        CPPUNIT_ASSERT_MESSAGE("Ours would limit it",
                               !environmentOf(options).contains("RUBY_GC_HEAP_FREE_SLOTS_MAX_RATIO"));
    }

    void testAPreloaderWithOtherHeapSettingsDoesNotSuit() {
        Options off = reforking();
        off.reforkAfter = 0;
        CPPUNIT_ASSERT(SpawnPlan(reforking(), {}, {}) == SpawnPlan(reforking(), {}, {}));
        CPPUNIT_ASSERT(!(SpawnPlan(reforking(), {}, {}) == SpawnPlan(off, {}, {})));
    }

    void testAPreloaderOfAnotherTypeFileOrCallableDoesNotSuit() {
        for (auto member : {&Options::appType, &Options::startupFile, &Options::appCallable}) {
            Options other;
            other.*member = "another";
            CPPUNIT_ASSERT(!(SpawnPlan(Options(), {}, {}) == SpawnPlan(other, {}, {})));
        }
    }

    void testNoVariableChoosesTheFolderThatIsEntered() {
        Options options;
        options.appRoot = "/srv/blog";
        options.variables = [] { return Options::Variables{{"PWD", "/tmp/evil"}}; };
        CPPUNIT_ASSERT_EQUAL(std::string("/srv/blog"), environmentOf(options).at("PWD"));
    }

private:
    static constexpr const char *FACTOR = "RUBY_GC_HEAP_GROWTH_FACTOR";

    static Options::Variables environmentOf(const Options &options,
                                            StartRequest::Role role = StartRequest::Role::PRELOADER) {
        return SpawnPlan(options, {}, options.variables ? options.variables() : Options::Variables())
            .request(role)
            .environment;
    }

    static Options reforking() {
        Options options;
        options.reforkAfter = 1000;
        return options;
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SpawnPlanTest);

}  // namespace Passenger
