#include "watchdog/AnswerWatch.h"

#include <cppunit/extensions/HelperMacros.h>

#include "support/ManualClock.h"

namespace Passenger {

using std::chrono::milliseconds;
using std::chrono::seconds;

class AnswerWatchTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(AnswerWatchTest);
    CPPUNIT_TEST(testTheNextQuestionFollowsAnAnswerAfterASecond);
    CPPUNIT_TEST(testAProcessIsOverdueAtTheLimit);
    CPPUNIT_TEST(testAProcessThatStartsHasAMinute);
    CPPUNIT_TEST(testALongerLimitHoldsForTheStartToo);
    CPPUNIT_TEST(testAProcessIsWatchedInTheLaterHalf);
    CPPUNIT_TEST(testAProcessThatIsWatchedTooLateIsWatchedForHalfALimit);
    CPPUNIT_TEST(testAProcessThatLacksTimeGetsMoreOfItWithALimit);
    CPPUNIT_TEST(testAnAnswerThatNobodyAskedForChangesNothing);
    CPPUNIT_TEST(testWithoutALimitNothingIsAsked);
    CPPUNIT_TEST(testAnEndedProcessIsNotAsked);
    CPPUNIT_TEST_SUITE_END();

    ManualClock clock_;
    AnswerWatch watch_;

    MonotonicTime now() const { return clock_.now(); }

public:
    void setUp() override {
        watch_ = AnswerWatch();
        watch_.setLimit(seconds(5));
    }

    void testTheNextQuestionFollowsAnAnswerAfterASecond() {
        CPPUNIT_ASSERT(!watch_.next());
        watch_.begin(now());
        CPPUNIT_ASSERT(watch_.asksNow(now()));
        watch_.asked(now());
        CPPUNIT_ASSERT(!watch_.asksNow(now()));
        clock_.advance(milliseconds(10));
        watch_.answered(now());
        CPPUNIT_ASSERT(!watch_.asksNow(now()));
        CPPUNIT_ASSERT(watch_.next() == now() + seconds(1));
        clock_.advance(seconds(1));
        CPPUNIT_ASSERT(watch_.asksNow(now()));
    }

    void testAProcessIsOverdueAtTheLimit() {
        watch_.begin(now());
        watch_.asked(now());
        clock_.advance(milliseconds(4999));
        CPPUNIT_ASSERT(!watch_.isOverdue(now()));
        clock_.advance(milliseconds(1));
        CPPUNIT_ASSERT(watch_.isOverdue(now()));
    }

    void testAProcessThatStartsHasAMinute() {
        watch_.starting(now());
        CPPUNIT_ASSERT(!watch_.asksNow(now()));
        clock_.advance(seconds(60) - milliseconds(1));
        CPPUNIT_ASSERT(!watch_.isOverdue(now()) && !watch_.asksNow(now()));
        clock_.advance(milliseconds(1));
        CPPUNIT_ASSERT(watch_.isOverdue(now()));
        watch_.begin(now());
        CPPUNIT_ASSERT(!watch_.isOverdue(now()) && watch_.asksNow(now()));
    }

    void testALongerLimitHoldsForTheStartToo() {
        watch_.setLimit(seconds(100));
        watch_.starting(now());
        clock_.advance(seconds(99));
        CPPUNIT_ASSERT(!watch_.isOverdue(now()));
        clock_.advance(seconds(1));
        CPPUNIT_ASSERT(watch_.isOverdue(now()));
    }

    void testAProcessIsWatchedInTheLaterHalf() {
        watch_.begin(now());
        CPPUNIT_ASSERT(!watch_.watchesNow(now()));
        watch_.asked(now());
        CPPUNIT_ASSERT(!watch_.watchesNow(now()));
        CPPUNIT_ASSERT(watch_.next() == now() + milliseconds(2500));
        clock_.advance(milliseconds(2500));
        CPPUNIT_ASSERT(watch_.watchesNow(now()));
        watch_.watched(now());
        CPPUNIT_ASSERT(!watch_.watchesNow(now()));
        CPPUNIT_ASSERT(watch_.next() == now() + milliseconds(2500));
        watch_.answered(now());
        watch_.asked(now());
        clock_.advance(seconds(3));
        CPPUNIT_ASSERT_MESSAGE("Each question is watched", watch_.watchesNow(now()));
    }

    // The watchdog lacked time itself. A single look tells nothing.
    void testAProcessThatIsWatchedTooLateIsWatchedForHalfALimit() {
        watch_.begin(now());
        watch_.asked(now());
        clock_.advance(seconds(6));
        CPPUNIT_ASSERT(watch_.watchesNow(now()));
        watch_.watched(now());
        CPPUNIT_ASSERT(!watch_.isOverdue(now()));
        clock_.advance(milliseconds(2500));
        CPPUNIT_ASSERT(watch_.isOverdue(now()));
        CPPUNIT_ASSERT_EQUAL(std::chrono::seconds::rep{8}, watch_.silentFor(now()).count());
    }

    void testAProcessThatLacksTimeGetsMoreOfItWithALimit() {
        watch_.begin(now());
        watch_.asked(now());
        clock_.advance(seconds(5));
        for (int half = 2; half < 2 * AnswerWatch::MOST_LIMITS; half++) {
            CPPUNIT_ASSERT(watch_.isOverdue(now()));
            CPPUNIT_ASSERT(watch_.extend(now()));
            CPPUNIT_ASSERT(!watch_.isOverdue(now()));
            clock_.advance(milliseconds(2500));
        }
        CPPUNIT_ASSERT(watch_.isOverdue(now()));
        CPPUNIT_ASSERT(!watch_.extend(now()));
        CPPUNIT_ASSERT(watch_.isOverdue(now()));
    }

    void testAnAnswerThatNobodyAskedForChangesNothing() {
        watch_.begin(now());
        watch_.answered(now());
        CPPUNIT_ASSERT(watch_.asksNow(now()));
    }

    void testWithoutALimitNothingIsAsked() {
        watch_.setLimit(seconds(0));
        watch_.begin(now());
        CPPUNIT_ASSERT(!watch_.asksNow(now()));
        CPPUNIT_ASSERT(!watch_.next());
    }

    void testAnEndedProcessIsNotAsked() {
        watch_.begin(now());
        watch_.asked(now());
        watch_.end();
        clock_.advance(seconds(60));
        CPPUNIT_ASSERT(!watch_.isOverdue(now()));
        CPPUNIT_ASSERT(!watch_.asksNow(now()));
        CPPUNIT_ASSERT(!watch_.next());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(AnswerWatchTest);

}  // namespace Passenger
