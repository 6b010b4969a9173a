#include "control/TimePlot.h"

#include <cppunit/extensions/HelperMacros.h>

#include "support/HasText.h"

namespace Passenger {

using TimePlot::Series;

class TimePlotTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(TimePlotTest);
    CPPUNIT_TEST(testNothingIsDrawnOfADayWithoutRequests);
    CPPUNIT_TEST(testWaitsOfADayWithoutAnswersAreDrawn);
    CPPUNIT_TEST(testAPointIsDrawnWhereItsTimeIs);
    CPPUNIT_TEST(testATimeWithoutRequestsIsAGap);
    CPPUNIT_TEST(testPointsOfOtherDaysAreLeftOut);
    CPPUNIT_TEST(testAColumnShowsTheHighestOfItsPoints);
    CPPUNIT_TEST(testTheScaleIsARoundNumber);
    CPPUNIT_TEST_SUITE_END();

    static constexpr double NOW = 1'000'000;
    static constexpr double HOUR = 3600;

    /** A column of a small plot. @param hours how long before now it ends */
    static PointStatus point(double hours, double p50, double p99) {
        const TimeQuantiles times{p50, p50, p99};
        return {NOW - hours * HOUR, HOUR / 2, 9, times, times};
    }
    static std::string drawn(const std::vector<PointStatus> &points) {
        return TimePlot::small(points, Series::SERVICE_TIME, NOW);
    }

public:
    void testNothingIsDrawnOfADayWithoutRequests() {
        PointStatus quiet = point(1, 0, 0);
        quiet.requests = 0;
        CPPUNIT_ASSERT_EQUAL(std::string(), drawn({}));
        CPPUNIT_ASSERT_EQUAL(std::string(), drawn({quiet}));
        CPPUNIT_ASSERT(hasText(TimePlot::large({}, Series::QUEUE_TIME, NOW), "No request"));
    }

    // All requests left the queue before an instance took them.
    void testWaitsOfADayWithoutAnswersAreDrawn() {
        PointStatus hung = point(0, 15, 30);
        hung.requests = 0;
        hung.service = {};
        CPPUNIT_ASSERT(hasText(TimePlot::small({hung}, Series::QUEUE_TIME, NOW), "at most 30 s"));
        CPPUNIT_ASSERT_EQUAL(std::string(), drawn({hung}));
        CPPUNIT_ASSERT(hasText(TimePlot::large({hung}, Series::REQUESTS, NOW), "No request was answered"));
    }

    void testAPointIsDrawnWhereItsTimeIs() {
        const std::string svg = drawn({point(0, 1, 2)});
        CPPUNIT_ASSERT(hasText(svg, "viewBox=\"0 0 48 100\""));
        CPPUNIT_ASSERT(hasText(svg, "<path class=a d=\"M47 100V0H48V100Z\"/>"));
        CPPUNIT_ASSERT(hasText(svg, "<path class=l d=\"M47 50V50H48\"/>"));
        CPPUNIT_ASSERT(hasText(svg, "at most 2 s"));
    }

    void testATimeWithoutRequestsIsAGap() {
        CPPUNIT_ASSERT(hasText(drawn({point(23.5, 1, 2), point(23, 1, 1), point(0, 1, 2)}),
                               "<path class=a d=\"M0 100V0H1V50H2V100ZM47 100V0H48V100Z\"/>"));
    }

    void testPointsOfOtherDaysAreLeftOut() {
        CPPUNIT_ASSERT_EQUAL(std::string(), drawn({point(25, 1, 1), point(-3, 1, 1)}));
    }

    void testAColumnShowsTheHighestOfItsPoints() {
        PointStatus low = point(0, 1, 2);
        PointStatus high = point(0, 2, 4);
        low.seconds = high.seconds = 60;
        low.at -= 60;
        CPPUNIT_ASSERT(hasText(drawn({low, high}), "<path class=l d=\"M47 50V50H48\"/>"));
    }

    void testTheScaleIsARoundNumber() {
        const std::string html = TimePlot::large({point(0, 1, 3)}, Series::SERVICE_TIME, NOW);
        CPPUNIT_ASSERT(hasText(html, "<span>5 s</span><span>2.5 s</span><span>0</span>"));
        CPPUNIT_ASSERT(hasText(TimePlot::large({point(0, 1, 3)}, Series::REQUESTS, NOW), "<span>0.005/s</span>"));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(TimePlotTest);

}  // namespace Passenger
