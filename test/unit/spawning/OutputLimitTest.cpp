#include "spawning/OutputLimit.h"

#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "spawning/OutputLimits.h"
#include "support/CapturedLog.h"
#include "support/Eventually.h"
#include "support/LeakCheck.h"
#include "support/ManualClock.h"

namespace Passenger {

using namespace std::chrono_literals;

class OutputLimitTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(OutputLimitTest);
    CPPUNIT_TEST(testLinesUpToTheLimitAreWritten);
    CPPUNIT_TEST(testTheFirstLinesTheNumberOfMissingOnesAndTheLastLineAreWritten);
    CPPUNIT_TEST(testTheNextLineEndsAnIntervalThatIsOver);
    CPPUNIT_TEST(testOneLineTooManyIsOnlyLate);
    CPPUNIT_TEST(testTheEndWritesTheRest);
    CPPUNIT_TEST(testALongLineCountsAsSeveral);
    CPPUNIT_TEST(testSkippedLinesAreMissing);
    CPPUNIT_TEST(testMissingLinesAreCounted);
    CPPUNIT_TEST(testZeroIsNoLimit);
    CPPUNIT_TEST(testProcessesOfOneApplicationShareALimit);
    CPPUNIT_TEST_SUITE_END();

    using Written = std::vector<std::pair<pid_t, std::string>>;

    ManualClock clock_;
    std::unique_ptr<EventLoop> loop_;
    const LimitCountsPtr counts_ = std::make_shared<LimitCounts>();
    std::unique_ptr<OutputLimit> limit_;
    Written written_;

    void write(const std::string &line, pid_t pid = 1) {
        limit_->write(pid, line, [this](pid_t by, const std::string &text) { written_.emplace_back(by, text); });
    }
    Written takeWritten() { return std::exchange(written_, {}); }

public:
    void setUp() override {
        LeakCheck::setUp();
        loop_ = std::make_unique<EventLoop>();
        limit_ = std::make_unique<OutputLimit>(*loop_, clock_, "app", counts_);
        limit_->set(1);
    }

    void tearDown() override {
        limit_.reset();
        loop_.reset();
        LeakCheck::tearDown();
    }

    void testLinesUpToTheLimitAreWritten() {
        for (int i = 0; i < 10; i++) {
            CPPUNIT_ASSERT(!limit_->full());
            write("line");
        }
        CPPUNIT_ASSERT_EQUAL(std::size_t{10}, takeWritten().size());
        write("too many");
        CPPUNIT_ASSERT(limit_->full());
        CPPUNIT_ASSERT(takeWritten().empty());
    }

    void testTheFirstLinesTheNumberOfMissingOnesAndTheLastLineAreWritten() {
        for (int i = 1; i <= 100; i++) {
            write(std::to_string(i), i);
        }
        clock_.advance(OutputLimit::INTERVAL - 1ns);
        limit_->finishInterval();
        CPPUNIT_ASSERT_EQUAL(std::size_t{10}, takeWritten().size());
        clock_.advance(1ns);
        CPPUNIT_ASSERT(!limit_->full());
        CapturedLog log;
        limit_->finishInterval();
        const Written expected{{100, "… 89 lines are missing here: PassengerMaxLogLinesPerSecond 1"}, {100, "100"}};
        CPPUNIT_ASSERT(takeWritten() == expected);
        CPPUNIT_ASSERT(log.text().find("event=output.cut app=\"app\" lines=89 "
                                       "directive=PassengerMaxLogLinesPerSecond limit=1") != std::string::npos);
        limit_->finishInterval();
        CPPUNIT_ASSERT(takeWritten().empty());
    }

    void testTheNextLineEndsAnIntervalThatIsOver() {
        for (int i = 1; i <= 12; i++) {
            write(std::to_string(i));
        }
        takeWritten();
        clock_.advance(OutputLimit::INTERVAL);
        write("next");
        const Written expected{
            {1, "… 1 lines are missing here: PassengerMaxLogLinesPerSecond 1"}, {1, "12"}, {1, "next"}};
        CPPUNIT_ASSERT(takeWritten() == expected);
    }

    void testOneLineTooManyIsOnlyLate() {
        for (int i = 1; i <= 11; i++) {
            write(std::to_string(i));
        }
        takeWritten();
        clock_.advance(OutputLimit::INTERVAL);
        limit_->finishInterval();
        CPPUNIT_ASSERT(takeWritten() == (Written{{1, "11"}}));
    }

    void testTheEndWritesTheRest() {
        for (int i = 1; i <= 12; i++) {
            write(std::to_string(i));
        }
        takeWritten();
        limit_.reset();
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, written_.size());
        CPPUNIT_ASSERT_EQUAL(std::string("12"), written_.back().second);
    }

    void testALongLineCountsAsSeveral() {
        write(std::string(9 * OutputLimit::LINE, 'x'));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, takeWritten().size());
        write("too many");
        CPPUNIT_ASSERT(takeWritten().empty());
    }

    void testSkippedLinesAreMissing() {
        for (int i = 1; i <= 12; i++) {
            write(std::to_string(i));
        }
        limit_->skipped(1000);
        write("last");
        takeWritten();
        clock_.advance(OutputLimit::INTERVAL);
        limit_->finishInterval();
        const Written expected{{1, "… 1002 lines are missing here: PassengerMaxLogLinesPerSecond 1"}, {1, "last"}};
        CPPUNIT_ASSERT(takeWritten() == expected);
    }

    void testMissingLinesAreCounted() {
        for (int i = 1; i <= 15; i++) {
            write("line");
        }
        limit_->skipped(100);
        limit_.reset();
        // The last of the fifteen was not written either.
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{105}, counts_->logLinesDropped.load());
    }

    void testZeroIsNoLimit() {
        limit_->set(0);
        for (int i = 0; i < 1000; i++) {
            write("line");
        }
        CPPUNIT_ASSERT(!limit_->full());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1000}, takeWritten().size());
    }

    void testProcessesOfOneApplicationShareALimit() {
        OutputLimits limits(*loop_, clock_, counts_);
        Options one;
        one.appGroupName = "one";
        Options other;
        other.appGroupName = "other";
        const auto first = limits.of(one);
        CPPUNIT_ASSERT(limits.of(one) == first);
        CPPUNIT_ASSERT(limits.of(other) != first);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(OutputLimitTest);

}  // namespace Passenger
