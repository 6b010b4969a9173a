#include "base/LogHistogram.h"

#include <cppunit/extensions/HelperMacros.h>

namespace Passenger {

using namespace std::chrono_literals;

class LogHistogramTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(LogHistogramTest);
    CPPUNIT_TEST(testEachBucketIsTwiceAsWideAsTheOneBefore);
    CPPUNIT_TEST(testExtremeTimesAreInTheOuterBuckets);
    CPPUNIT_TEST(testAQuantileIsTheUpperBoundOfItsBucket);
    CPPUNIT_TEST(testAnEmptyHistogramHasTheQuantileZero);
    CPPUNIT_TEST(testCountsCanBeMergedAndHalved);
    CPPUNIT_TEST_SUITE_END();

public:
    void testEachBucketIsTwiceAsWideAsTheOneBefore() {
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, LogHistogram::bucket(999ns));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, LogHistogram::bucket(1us));
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, LogHistogram::bucket(2us));
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, LogHistogram::bucket(3us));
        CPPUNIT_ASSERT_EQUAL(std::size_t{10}, LogHistogram::bucket(1ms));
    }

    void testExtremeTimesAreInTheOuterBuckets() {
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, LogHistogram::bucket(-5s));
        CPPUNIT_ASSERT_EQUAL(std::size_t{31}, LogHistogram::bucket(10000h));
    }

    void testAQuantileIsTheUpperBoundOfItsBucket() {
        LogHistogram histogram;
        for (int i = 0; i < 90; i++) {
            histogram.add(700us);
        }
        for (int i = 0; i < 10; i++) {
            histogram.add(50ms);
        }
        CPPUNIT_ASSERT(histogram.quantile(0.5) == 1024us);
        CPPUNIT_ASSERT(histogram.quantile(0.9) == 1024us);
        CPPUNIT_ASSERT(histogram.quantile(0.91) == 65536us);
    }

    void testAnEmptyHistogramHasTheQuantileZero() {
        CPPUNIT_ASSERT(LogHistogram().quantile(0.5) == 0ns);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, LogHistogram().total());
    }

    void testCountsCanBeMergedAndHalved() {
        LogHistogram one;
        one.add(5us);
        LogHistogram other;
        other.add(5us);
        other.add(1s);
        one.merge(other);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{3}, one.total());
        one.halve();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, one.total());
        CPPUNIT_ASSERT(one.quantile(1) == 8us);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(LogHistogramTest);

}  // namespace Passenger
