#include "exchange/AdmissionLimits.h"

#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <climits>

#include "support/LeakCheck.h"

namespace Passenger {

using namespace std::chrono_literals;

/** What a request's priority makes of the limits of its application. */
class AdmissionLimitsTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(AdmissionLimitsTest);
    CPPUNIT_TEST(testANormalPriorityHasTheLimitsOfTheOptions);
    CPPUNIT_TEST(testALowPriorityHasAPartOfEachLimit);
    CPPUNIT_TEST(testAHighPriorityMayWaitBeyondTheLimits);
    CPPUNIT_TEST(testWithoutALimitNoPriorityHasOne);
    CPPUNIT_TEST(testAPartOfASmallLimitIsALimit);
    CPPUNIT_TEST(testAHighPriorityDoesNotOverflow);
    CPPUNIT_TEST_SUITE_END();

    /** @param target in milliseconds */
    static AdmissionLimits limitsOf(Priority priority, unsigned size, unsigned inFlight, unsigned target) {
        Options options;
        options.maxQueueSize = size;
        options.request.maxInFlight = inFlight;
        options.queueTarget = std::chrono::milliseconds(target);
        return AdmissionLimits::of(options, priority, inFlight / 2);
    }

public:
    void testANormalPriorityHasTheLimitsOfTheOptions() {
        const AdmissionLimits limits = limitsOf(Priority::NORMAL, 7, 5, 2);
        CPPUNIT_ASSERT_EQUAL(7U, limits.size);
        CPPUNIT_ASSERT_EQUAL(5U, limits.inFlight);
        CPPUNIT_ASSERT(limits.target == 2ms);
    }

    void testALowPriorityHasAPartOfEachLimit() {
        const AdmissionLimits limits = limitsOf(Priority::LOW, 100, 140, 200);
        CPPUNIT_ASSERT_EQUAL(25U, limits.size);
        CPPUNIT_ASSERT_EQUAL(70U, limits.inFlight);
        CPPUNIT_ASSERT(limits.target == 50ms);
    }

    void testAHighPriorityMayWaitBeyondTheLimits() {
        const AdmissionLimits limits = limitsOf(Priority::HIGH, 100, 140, 200);
        CPPUNIT_ASSERT_EQUAL(125U, limits.size);
        CPPUNIT_ASSERT_EQUAL_MESSAGE("Other applications need threads", 140U, limits.inFlight);
        CPPUNIT_ASSERT(limits.target == 400ms);
    }

    void testWithoutALimitNoPriorityHasOne() {
        for (const Priority priority : {Priority::LOW, Priority::NORMAL, Priority::HIGH}) {
            const AdmissionLimits limits = limitsOf(priority, 0, 0, 0);
            CPPUNIT_ASSERT(limits.size == 0 && limits.inFlight == 0 && limits.target == 0ms);
        }
    }

    void testAPartOfASmallLimitIsALimit() {
        const AdmissionLimits low = limitsOf(Priority::LOW, 3, 1, 1);
        CPPUNIT_ASSERT(low.size == 1 && low.inFlight == 1 && low.target == 1ms);
        CPPUNIT_ASSERT_EQUAL(4U, limitsOf(Priority::HIGH, 3, 1, 1).size);
    }

    void testAHighPriorityDoesNotOverflow() {
        CPPUNIT_ASSERT_EQUAL(UINT_MAX, limitsOf(Priority::HIGH, UINT_MAX - 1, 0, 0).size);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(AdmissionLimitsTest);

}  // namespace Passenger
