#include "exchange/BusyPolling.h"

#include <cppunit/extensions/HelperMacros.h>

#include <chrono>

#include "support/ManualClock.h"

namespace Passenger {

using namespace std::chrono_literals;

class BusyPollingTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(BusyPollingTest);
    CPPUNIT_TEST(testAThreadPollsForAMoment);
    CPPUNIT_TEST(testAThreadThatLosesItsProcessorPollsNoLonger);
    CPPUNIT_TEST(testAfterFailuresFewRequestsPoll);
    CPPUNIT_TEST(testAnswersBringThePollsBack);
    CPPUNIT_TEST(testOneThreadPollsAtOnce);
    CPPUNIT_TEST(testWithOtherRequestsNoThreadPolls);
    CPPUNIT_TEST(testWithOneProcessorNoThreadPolls);
    CPPUNIT_TEST_SUITE_END();

public:
    void testAThreadPollsForAMoment() {
        BusyPolling::Poll poll(polling_, true);
        const MonotonicTime begin = clock_.now();
        while (poll.goesOn()) {
            clock_.advance(1us);
        }
        CPPUNIT_ASSERT(clock_.now() - begin == BusyPolling::LONGEST);
    }

    void testAThreadThatLosesItsProcessorPollsNoLonger() {
        BusyPolling::Poll poll(polling_, true);
        clock_.advance(1us);
        CPPUNIT_ASSERT(poll.goesOn());
        clock_.advance(BusyPolling::LONGEST_PAUSE);
        CPPUNIT_ASSERT(!poll.goesOn());
        CPPUNIT_ASSERT(!polls());
    }

    void testAfterFailuresFewRequestsPoll() {
        // The first request polls. One does without, then two, four, and so on.
        CPPUNIT_ASSERT_EQUAL(10U, pollsOf(1 << 10, false));
        CPPUNIT_ASSERT_EQUAL(10U, pollsOf(10 * BusyPolling::MOST_SKIPPED, false));
    }

    void testAnswersBringThePollsBack() {
        pollsOf(20 * BusyPolling::MOST_SKIPPED, false);
        while (!polls()) {
        }
        CPPUNIT_ASSERT_EQUAL(100U, pollsOf(100, true));
        // A single failure costs one poll then.
        pollsOf(1, false);
        CPPUNIT_ASSERT_EQUAL(99U, pollsOf(100, true));
    }

    void testOneThreadPollsAtOnce() {
        BusyPolling::Poll first(polling_, true);
        CPPUNIT_ASSERT(!BusyPolling::Poll(polling_, true).goesOn());
        CPPUNIT_ASSERT(first.goesOn());
        first.succeed();
        CPPUNIT_ASSERT(!first.goesOn());
        CPPUNIT_ASSERT(polls());
    }

    void testWithOtherRequestsNoThreadPolls() {
        CPPUNIT_ASSERT(polls());
        CPPUNIT_ASSERT(!BusyPolling::Poll(polling_, false).goesOn());
        CPPUNIT_ASSERT_EQUAL(1U, pollsOf(BusyPolling::SKIPPED_AFTER_COMPANY + 1, true));
    }

    void testWithOneProcessorNoThreadPolls() {
        BusyPolling alone(1, clock_);
        CPPUNIT_ASSERT(!BusyPolling::Poll(alone, true).goesOn());
    }

private:
    /** Whether a request polls. It gets its answer then. */
    bool polls() { return pollsOf(1, true) > 0; }

    /** The number of polls for so many requests. @param answered whether they find the answers */
    unsigned pollsOf(unsigned requests, bool answered) {
        unsigned polls = 0;
        for (unsigned i = 0; i < requests; i++) {
            BusyPolling::Poll poll(polling_, true);
            if (poll.goesOn()) {
                polls++;
                if (answered) {
                    poll.succeed();
                }
            }
        }
        return polls;
    }

    ManualClock clock_;
    BusyPolling polling_{2, clock_};
};

CPPUNIT_TEST_SUITE_REGISTRATION(BusyPollingTest);

}  // namespace Passenger
