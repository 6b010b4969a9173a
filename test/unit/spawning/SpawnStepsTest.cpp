#include "spawning/SpawnSteps.h"

#include <cppunit/extensions/HelperMacros.h>

#include "support/Expect.h"

namespace Passenger {

class SpawnStepsTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(SpawnStepsTest);
    CPPUNIT_TEST(testTheInnermostStepIsTheCurrentOne);
    CPPUNIT_TEST(testAFailedStepStaysTheCurrentOne);
    CPPUNIT_TEST(testADurationThatTheProcessReportsIsUsed);
    CPPUNIT_TEST(testUnknownStatesAreRefused);
    CPPUNIT_TEST(testTheNumberOfStepsIsLimited);
    CPPUNIT_TEST(testALongNameIsCut);
    CPPUNIT_TEST_SUITE_END();

    static Frame step(const std::string &name, const std::string &state, const std::string &milliseconds = "0") {
        return Frame(FrameType::STEP, {name, state, milliseconds});
    }

    SpawnSteps steps_;

public:
    void testTheInnermostStepIsTheCurrentOne() {
        CPPUNIT_ASSERT_EQUAL(std::string(), steps_.current());
        steps_.begin("outer");
        steps_.report(step("inner", "begin"));
        CPPUNIT_ASSERT_EQUAL(std::string("inner"), steps_.current());
        steps_.report(step("inner", "done", "5"));
        CPPUNIT_ASSERT_EQUAL(std::string("outer"), steps_.current());
        steps_.done("outer");
        CPPUNIT_ASSERT_EQUAL(std::string(), steps_.current());
    }

    void testAFailedStepStaysTheCurrentOne() {
        steps_.begin("first");
        steps_.done("first");
        steps_.begin("second");
        steps_.fail();
        CPPUNIT_ASSERT_EQUAL(std::string("second"), steps_.current());
        CPPUNIT_ASSERT(SpawnSteps::State::DONE == steps_.steps()[0].state);
        CPPUNIT_ASSERT(SpawnSteps::State::FAILED == steps_.steps()[1].state);
    }

    void testADurationThatTheProcessReportsIsUsed() {
        steps_.report(step("Bundler", "begin"));
        steps_.report(step("Bundler", "done", "1234"));
        CPPUNIT_ASSERT_EQUAL(1234L, static_cast<long>(steps_.steps()[0].duration.count()));
    }

    void testUnknownStatesAreRefused() {
        thrownBy<ProtocolException>([&] { steps_.report(step("Bundler", "maybe")); });
        thrownBy<ProtocolException>([&] { steps_.report(step("Bundler", "done", "soon")); });
        thrownBy<ProtocolException>([&] { steps_.report(Frame(FrameType::STEP, {"Bundler"})); });
    }

    void testTheNumberOfStepsIsLimited() {
        for (std::size_t i = 0; i < 2 * SpawnSteps::MOST_STEPS; ++i) {
            steps_.report(step("again", "begin"));
        }
        CPPUNIT_ASSERT_EQUAL(SpawnSteps::MOST_STEPS, steps_.steps().size());
    }

    void testALongNameIsCut() {
        const std::string name(100'000, 'x');
        steps_.report(step(name, "begin"));
        CPPUNIT_ASSERT_EQUAL(std::string(SpawnSteps::MAX_NAME, 'x'), steps_.current());
        steps_.report(step(name, "done"));
        CPPUNIT_ASSERT_EQUAL(std::string(), steps_.current());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SpawnStepsTest);

}  // namespace Passenger
