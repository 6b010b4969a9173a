#include "base/Poll.h"

#include <cppunit/extensions/HelperMacros.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "base/FileDescriptor.h"
#include "support/Expect.h"
#include "support/LeakCheck.h"

namespace Passenger {

class PollTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(PollTest);
    CPPUNIT_TEST(testAReadyDescriptorEndsTheWait);
    CPPUNIT_TEST(testWithADeadlineInThePastTheCallReturnsAtOnce);
    CPPUNIT_TEST(testTheWaitLastsUntilTheDeadline);
    CPPUNIT_TEST(testAHangUpEndsTheWait);
    CPPUNIT_TEST(testAClosedDescriptorIsAnError);
    CPPUNIT_TEST(testTheLongestTimeoutDoesNotOverflow);
    CPPUNIT_TEST(testATimeIsRoundedUpAndATimeInThePastIsZero);
    CPPUNIT_TEST_SUITE_END();

    using Clock = std::chrono::steady_clock;

public:
    void testAReadyDescriptorEndsTheWait() {
        const DescriptorPair pipe = makePipe();
        CPPUNIT_ASSERT(pollUntil(pipe.second.get(), POLLOUT, Clock::time_point::max()));
    }

    void testWithADeadlineInThePastTheCallReturnsAtOnce() {
        const DescriptorPair pipe = makePipe();
        CPPUNIT_ASSERT(!pollUntil(pipe.first.get(), POLLIN, Clock::time_point::min()));
        CPPUNIT_ASSERT(pollUntil(pipe.second.get(), POLLOUT, Clock::time_point::min()));
    }

    void testTheWaitLastsUntilTheDeadline() {
        const DescriptorPair pipe = makePipe();
        const auto deadline = Clock::now() + std::chrono::microseconds(2500);
        CPPUNIT_ASSERT(!pollUntil(pipe.first.get(), POLLIN, deadline));
        CPPUNIT_ASSERT(Clock::now() >= deadline);
    }

    void testAHangUpEndsTheWait() {
        DescriptorPair pipe = makePipe();
        pipe.second.reset();
        CPPUNIT_ASSERT(pollUntil(pipe.first.get(), POLLIN, Clock::time_point::max()));
    }

    void testAClosedDescriptorIsAnError() {
        CPPUNIT_ASSERT_EQUAL(EBADF, errorOf([] { pollUntil(1'000'000, POLLIN, Clock::time_point::max()); }));
    }

    void testTheLongestTimeoutDoesNotOverflow() {
        CPPUNIT_ASSERT(deadlineIn(std::chrono::milliseconds::max()) > Clock::now());
    }

    void testATimeIsRoundedUpAndATimeInThePastIsZero() {
        using std::chrono::milliseconds;
        const Clock::time_point now = Clock::now();
        CPPUNIT_ASSERT(timeUntil(now + std::chrono::microseconds(2001), now) == milliseconds(3));
        CPPUNIT_ASSERT(timeUntil(Clock::time_point::min(), now) == milliseconds(0));
        CPPUNIT_ASSERT_EQUAL(0, millisecondsUntil(now));
        CPPUNIT_ASSERT(std::chrono::hours(24) == milliseconds(millisecondsUntil(Clock::time_point::max())));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PollTest);

}  // namespace Passenger
