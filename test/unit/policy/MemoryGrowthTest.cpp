#include "policy/MemoryGrowth.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>

namespace Passenger {

using namespace std::chrono_literals;

class MemoryGrowthTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(MemoryGrowthTest);
    CPPUNIT_TEST(testALeakGoesOn);
    CPPUNIT_TEST(testAWarmUpEnds);
    CPPUNIT_TEST(testALeakBehindAWarmUpIsFound);
    CPPUNIT_TEST(testTheFirstMeasurementIsNoGrowth);
    CPPUNIT_TEST_SUITE_END();

    /** What the process has at each second, up to this age. */
    template <typename Bytes> static MemoryGrowth upTo(std::chrono::seconds age, Bytes bytes) {
        MemoryGrowth growth;
        for (std::chrono::seconds second{0}; second <= age; second++) {
            growth.note(second, bytes(static_cast<std::uint64_t>(second.count())));
        }
        return growth;
    }

public:
    void testALeakGoesOn() {
        for (const std::chrono::seconds age : {1s, 10s, 60s, 1000s, 36000s}) {
            const MemoryGrowth growth = upTo(age, [](std::uint64_t second) { return 100 + 3 * second; });
            CPPUNIT_ASSERT(growth.goesOn());
            CPPUNIT_ASSERT_EQUAL(static_cast<std::uint64_t>(3 * age.count()), growth.grown());
        }
    }

    void testAWarmUpEnds() {
        const auto warm = [](std::uint64_t second) { return 100 + 10 * std::min<std::uint64_t>(second, 10); };
        CPPUNIT_ASSERT(upTo(10s, warm).goesOn());
        for (const std::chrono::seconds age : {60s, 61s, 100s, 130s, 36000s}) {
            CPPUNIT_ASSERT(!upTo(age, warm).goesOn());
            CPPUNIT_ASSERT_EQUAL(std::uint64_t{100}, upTo(age, warm).grown());
        }
    }

    void testALeakBehindAWarmUpIsFound() {
        const auto both = [](std::uint64_t second) {
            return 1000 + 100 * std::min<std::uint64_t>(second, 10) + second;
        };
        CPPUNIT_ASSERT(!upTo(100s, both).goesOn());
        CPPUNIT_ASSERT(upTo(2000s, both).goesOn());
    }

    void testTheFirstMeasurementIsNoGrowth() {
        MemoryGrowth growth;
        CPPUNIT_ASSERT(!growth.goesOn());
        growth.note(1h, 500);
        CPPUNIT_ASSERT(!growth.goesOn());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, growth.grown());
        growth.note(1h, 600);
        CPPUNIT_ASSERT(growth.goesOn());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{100}, growth.grown());
        growth.note(1h + 1s, 400);
        CPPUNIT_ASSERT_MESSAGE("It has shrunk", !growth.goesOn());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, growth.grown());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(MemoryGrowthTest);

}  // namespace Passenger
