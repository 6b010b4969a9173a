#include "server/RequestHistory.h"

#include <chrono>

#include <cppunit/extensions/HelperMacros.h>

namespace Passenger {

using namespace std::chrono_literals;

class RequestHistoryTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(RequestHistoryTest);
    CPPUNIT_TEST(testEachWindowCountsItsOwnTime);
    CPPUNIT_TEST(testQuantilesAreEstimatedWithinTheirBucket);
    CPPUNIT_TEST(testCountsThatFallAddNothing);
    CPPUNIT_TEST(testAClockThatJumpsLosesTimesAndKeepsCounting);
    CPPUNIT_TEST(testTimesWithoutRequestsTakeNoMemory);
    CPPUNIT_TEST(testPointsAreQuartersOfAnHourWithRequests);
    CPPUNIT_TEST_SUITE_END();

public:
    void testEachWindowCountsItsOwnTime() {
        answer(5, 1ms);
        look(0s);
        answer(7, 1ms);
        look(10min);
        answer(1, 1ms);
        look(10min + 30s);
        assertRequests(8, 13, 13, 10min + 30s);
        look(20min);
        assertRequests(0, 8, 13, 20min);
        look(23h);
        assertRequests(0, 0, 13, 23h);
        look(25h);
        assertRequests(0, 0, 0, 25h);
        CPPUNIT_ASSERT(history_.empty());
    }

    void testQuantilesAreEstimatedWithinTheirBucket() {
        LogHistogram times;
        CPPUNIT_ASSERT_EQUAL(0.0, quantilesOf(times).p99);
        for (int i = 0; i < 100; i++) {
            // The bucket from 1,024 to 2,048 µs.
            times.add(1500us);
        }
        CPPUNIT_ASSERT_DOUBLES_EQUAL(0.001536, quantilesOf(times).p50, 0.000001);
        CPPUNIT_ASSERT_DOUBLES_EQUAL(0.001946, quantilesOf(times).p90, 0.000001);
        times.add(10s);
        times.add(10s);
        CPPUNIT_ASSERT(quantilesOf(times).p99 > 8);
    }

    void testCountsThatFallAddNothing() {
        answer(5, 1ms);
        look(0s);
        times_ = LogHistogram();
        answer(2, 1ms);
        look(10s);
        assertRequests(5, 5, 5, 10s);
    }

    void testAClockThatJumpsLosesTimesAndKeepsCounting() {
        answer(5, 1ms);
        look(48h);
        answer(2, 1ms);
        look(1h);
        assertRequests(2, 2, 2, 1h);
        answer(1, 1ms);
        look(96h);
        assertRequests(1, 1, 1, 96h);
    }

    void testTimesWithoutRequestsTakeNoMemory() {
        for (int i = 0; i < 100; i++) {
            look(i * 10s);
        }
        CPPUNIT_ASSERT(history_.empty());
        CPPUNIT_ASSERT(history_.points(at(1000s), 15min).empty());
    }

    void testPointsAreQuartersOfAnHourWithRequests() {
        answer(4, 1ms);
        look(0s);
        look(1h);
        answer(2, 4ms);
        look(2h);
        const auto points = history_.points(at(2h + 5min), 15min);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, points.size());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{4}, points[0].requests);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, points[1].requests);
        CPPUNIT_ASSERT_EQUAL(900.0, points[0].seconds);
        CPPUNIT_ASSERT_EQUAL(300.0, points[1].seconds);
        CPPUNIT_ASSERT(points[1].service.p50 > points[0].service.p50);
        const auto hours = history_.points(at(2h + 30min), 3h);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, hours.size());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{6}, hours[0].requests);
    }

private:
    /** A whole number of quarters of an hour. */
    static RequestHistory::Time at(std::chrono::seconds time) {
        return RequestHistory::Time(std::chrono::hours(500'001)) + time;
    }
    void answer(int requests, std::chrono::nanoseconds time) {
        for (int i = 0; i < requests; i++) {
            times_.add(time);
        }
    }
    void look(std::chrono::seconds time) { history_.add(at(time), times_, times_); }
    void assertRequests(std::uint64_t minute, std::uint64_t quarter, std::uint64_t day, std::chrono::seconds time) {
        const auto windows = history_.windows(at(time));
        CPPUNIT_ASSERT_EQUAL(minute, windows[0].requests);
        CPPUNIT_ASSERT_EQUAL(quarter, windows[1].requests);
        CPPUNIT_ASSERT_EQUAL(day, windows[2].requests);
    }

    LogHistogram times_;
    RequestHistory history_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(RequestHistoryTest);

}  // namespace Passenger
