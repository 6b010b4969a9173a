#include "pool/Backtraces.h"

#include <cppunit/extensions/HelperMacros.h>

#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "io/SocketPair.h"
#include "support/LeakCheck.h"

namespace Passenger {

class BacktracesTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(BacktracesTest);
    CPPUNIT_TEST(testAnAnswerIsKeptUntilTheNextQuestion);
    CPPUNIT_TEST(testAnAnswerWithoutAQuestionIsIgnored);
    CPPUNIT_TEST(testALongAnswerIsCut);
    CPPUNIT_TEST(testANodeInstanceThatHangsIsAskedByAFrame);
    CPPUNIT_TEST_SUITE_END();

    SpawnResult parts_;
    FrameSocket there_;

    /** The fields of the THREADS frame that has come, joined; nothing: none has come. */
    std::optional<std::string> asked() {
        const std::optional<Frame> frame = there_.tryReceive();
        CPPUNIT_ASSERT(!frame || frame->type == FrameType::THREADS);
        return !frame ? std::nullopt : std::optional<std::string>(frame->fields.empty() ? "" : frame->field(0));
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        DescriptorPair pair = makeStreamPair();
        parts_.control = FrameSocket(std::move(pair.first));
        there_ = FrameSocket(std::move(pair.second));
    }

    void tearDown() override {
        parts_ = SpawnResult();
        there_ = {};
        LeakCheck::tearDown();
    }

    void testAnAnswerIsKeptUntilTheNextQuestion() {
        InstanceLink link(parts_);
        Backtraces backtraces(link);
        backtraces.ask();
        CPPUNIT_ASSERT(asked() == "");
        CPPUNIT_ASSERT(!backtraces.last());
        backtraces.answered("main.rb:1");
        CPPUNIT_ASSERT(backtraces.last() == "main.rb:1");
        backtraces.ask();
        CPPUNIT_ASSERT(!backtraces.last());
    }

    void testAnAnswerWithoutAQuestionIsIgnored() {
        InstanceLink link(parts_);
        Backtraces backtraces(link);
        backtraces.answered("main.rb:1");
        CPPUNIT_ASSERT(!backtraces.last());
        backtraces.ask();
        backtraces.answered("main.rb:2");
        backtraces.answered("main.rb:3");
        CPPUNIT_ASSERT(backtraces.last() == "main.rb:2");
        CPPUNIT_ASSERT(asked() == "");
        backtraces.log();
        CPPUNIT_ASSERT(asked() == "log");
        backtraces.answered("main.rb:4");
        CPPUNIT_ASSERT_MESSAGE("It was to write into the log", backtraces.last() == "main.rb:2");
    }

    void testALongAnswerIsCut() {
        InstanceLink link(parts_);
        Backtraces backtraces(link);
        backtraces.ask();
        backtraces.answered(std::string(300 * 1024, 'x'));
        CPPUNIT_ASSERT_EQUAL(std::size_t{256 * 1024}, backtraces.last().value().size());
    }

    void testANodeInstanceThatHangsIsAskedByAFrame() {
        InstanceLink link(parts_);
        Backtraces backtraces(link);
        Options options;
        backtraces.logHung(options);
        CPPUNIT_ASSERT_MESSAGE("Others get a signal", !asked());
        options.appType = "node";
        backtraces.logHung(options);
        CPPUNIT_ASSERT(asked() == "log");
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(BacktracesTest);

}  // namespace Passenger
