#include "spawning/SpawnJourney.h"

#include <cppunit/extensions/HelperMacros.h>

#include "support/Expect.h"

namespace Passenger {

class SpawnJourneyTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(SpawnJourneyTest);
    CPPUNIT_TEST(testTheInnermostStepIsTheCurrentOne);
    CPPUNIT_TEST(testAFailedStepIsRemembered);
    CPPUNIT_TEST(testTheProcesssOwnFiguresCount);
    CPPUNIT_TEST(testUnknownStatesAreRefused);
    CPPUNIT_TEST(testThereIsALimit);
    CPPUNIT_TEST_SUITE_END();

    static Frame step(const std::string &name, const std::string &state, const std::string &milliseconds = "0") {
        return Frame(FrameType::STEP, {name, state, milliseconds});
    }

    SpawnJourney journey_;

public:
    void testTheInnermostStepIsTheCurrentOne() {
        CPPUNIT_ASSERT_EQUAL(std::string(), journey_.current());
        journey_.begin("outer");
        journey_.report(step("inner", "begin"));
        CPPUNIT_ASSERT_EQUAL(std::string("inner"), journey_.current());
        journey_.report(step("inner", "done", "5"));
        CPPUNIT_ASSERT_EQUAL(std::string("outer"), journey_.current());
        journey_.done("outer");
        CPPUNIT_ASSERT_EQUAL(std::string(), journey_.current());
    }

    void testAFailedStepIsRemembered() {
        journey_.begin("first");
        journey_.done("first");
        journey_.begin("second");
        journey_.fail();
        CPPUNIT_ASSERT_EQUAL(std::string("second"), journey_.current());
        CPPUNIT_ASSERT(SpawnJourney::State::DONE == journey_.steps()[0].state);
        CPPUNIT_ASSERT(SpawnJourney::State::FAILED == journey_.steps()[1].state);
    }

    void testTheProcesssOwnFiguresCount() {
        journey_.report(step("Bundler", "begin"));
        journey_.report(step("Bundler", "done", "1234"));
        CPPUNIT_ASSERT_EQUAL(1234L, static_cast<long>(journey_.steps()[0].duration.count()));
    }

    void testUnknownStatesAreRefused() {
        thrownBy<ProtocolException>([&] { journey_.report(step("Bundler", "maybe")); });
        thrownBy<ProtocolException>([&] { journey_.report(step("Bundler", "done", "soon")); });
        thrownBy<ProtocolException>([&] { journey_.report(Frame(FrameType::STEP, {"Bundler"})); });
    }

    void testThereIsALimit() {
        for (std::size_t i = 0; i < 2 * SpawnJourney::MOST_STEPS; ++i) {
            journey_.report(step("again", "begin"));
        }
        CPPUNIT_ASSERT_EQUAL(SpawnJourney::MOST_STEPS, journey_.steps().size());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SpawnJourneyTest);

}  // namespace Passenger
