#include "exchange/QueueLimits.h"

#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <climits>

#include "support/LeakCheck.h"

namespace Passenger {

using namespace std::chrono_literals;

/** What a request's priority makes of the limits of its application. */
class QueueLimitsTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(QueueLimitsTest);
    CPPUNIT_TEST(testTheLimitsAreThoseOfTheOptions);
    CPPUNIT_TEST(testALowPriorityHasAPartOfEachLimit);
    CPPUNIT_TEST(testAHighPriorityMayWaitBeyondTheLimits);
    CPPUNIT_TEST(testWithoutALimitNoPriorityHasOne);
    CPPUNIT_TEST(testAPartOfASmallLimitIsALimit);
    CPPUNIT_TEST(testAHighPriorityDoesNotOverflow);
    CPPUNIT_TEST_SUITE_END();

public:
    void testTheLimitsAreThoseOfTheOptions() {
        Options options;
        options.maxQueueSize = 7;
        options.maxQueueTime = 6ms;
        options.request.maxInFlight = 5;
        options.maxRequestTime = 4ms;
        options.slowRequestTime = 3;
        options.queueTarget = 2;
        options.request.priority = Priority::HIGH;
        CPPUNIT_ASSERT(!QueueLimits::of(options).overtakes());
        options.priorityQueue = true;
        const QueueLimits limits = QueueLimits::of(options);
        CPPUNIT_ASSERT(limits.overtakes());
        CPPUNIT_ASSERT_EQUAL(7U, limits.size);
        CPPUNIT_ASSERT(limits.time == 6ms);
        CPPUNIT_ASSERT_EQUAL(5U, limits.inFlight);
        CPPUNIT_ASSERT(limits.work == 4ms && limits.slow == 3ms && limits.target == 2ms);
        CPPUNIT_ASSERT(limits.priority == Priority::HIGH);
    }

    void testALowPriorityHasAPartOfEachLimit() {
        QueueLimits all;
        all.size = 100;
        all.inFlight = 140;
        all.target = 200ms;
        const QueueLimits limits = all.forPriority(Priority::LOW);
        CPPUNIT_ASSERT_EQUAL(25U, limits.size);
        CPPUNIT_ASSERT_EQUAL(70U, limits.inFlight);
        CPPUNIT_ASSERT(limits.target == 50ms);
    }

    void testAHighPriorityMayWaitBeyondTheLimits() {
        QueueLimits all;
        all.size = 100;
        all.inFlight = 140;
        all.target = 200ms;
        const QueueLimits limits = all.forPriority(Priority::HIGH);
        CPPUNIT_ASSERT_EQUAL(125U, limits.size);
        CPPUNIT_ASSERT_EQUAL_MESSAGE("Other applications need threads", 140U, limits.inFlight);
        CPPUNIT_ASSERT(limits.target == 400ms);
    }

    void testWithoutALimitNoPriorityHasOne() {
        for (const Priority priority : {Priority::LOW, Priority::NORMAL, Priority::HIGH}) {
            const QueueLimits limits = QueueLimits().forPriority(priority);
            CPPUNIT_ASSERT(limits.size == 0 && limits.inFlight == 0 && limits.target == 0ms);
        }
    }

    void testAPartOfASmallLimitIsALimit() {
        QueueLimits all;
        all.size = 3;
        all.inFlight = 1;
        all.target = 1ms;
        const QueueLimits low = all.forPriority(Priority::LOW);
        CPPUNIT_ASSERT(low.size == 1 && low.inFlight == 1 && low.target == 1ms);
        CPPUNIT_ASSERT_EQUAL(4U, all.forPriority(Priority::HIGH).size);
    }

    void testAHighPriorityDoesNotOverflow() {
        QueueLimits all;
        all.size = UINT_MAX - 1;
        CPPUNIT_ASSERT_EQUAL(UINT_MAX, all.forPriority(Priority::HIGH).size);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(QueueLimitsTest);

}  // namespace Passenger
