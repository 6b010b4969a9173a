#include "base/Processors.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sched.h>

#include <cstdint>
#include <string>
#include <thread>

namespace Passenger {

class ProcessorsTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ProcessorsTest);
    CPPUNIT_TEST(testAThreadHasThoseThatItMayUse);
    CPPUNIT_TEST(testAProcessThatHasEndedCountsAsOne);
    CPPUNIT_TEST(testTheTimesAreThoseOfTheProcessors);
    CPPUNIT_TEST(testAFileOfAsManyProcessorsCountsWhole);
    CPPUNIT_TEST_SUITE_END();

    const std::string stat_ =
        "cpu  111 222 333 444 555 666 777 888 0 0\n"
        "cpu0 1 2 3 4 5 6 7 8 0 0\n"
        "cpu1 10 20 30 40 50 60 70 80 0 0\n"
        "cpu12 100 200 300 400 500 600 700 800 0 0\n"
        "intr 9 9 9\nctxt 9\n";

    static void expect(std::uint64_t nice, std::uint64_t idle, std::uint64_t wait, std::uint64_t all,
                       const ProcessorTimes &times) {
        CPPUNIT_ASSERT_EQUAL(nice, times.nice);
        CPPUNIT_ASSERT_EQUAL(idle, times.idle);
        CPPUNIT_ASSERT_EQUAL(wait, times.wait);
        CPPUNIT_ASSERT_EQUAL(all, times.all);
    }

public:
    void testAThreadHasThoseThatItMayUse() {
        const auto all = processorsOf();
        CPPUNIT_ASSERT(!all.empty());
        std::vector<unsigned> one;
        std::thread([&] {
            cpu_set_t set;
            CPU_ZERO(&set);
            CPU_SET(all.back(), &set);
            if (::sched_setaffinity(0, sizeof set, &set) == 0) {
                one = processorsOf();
            }
        }).join();
        CPPUNIT_ASSERT(one == std::vector<unsigned>{all.back()});
    }

    void testAProcessThatHasEndedCountsAsOne() {
        constexpr pid_t NONE = 0x7fffffff;
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, processorsOf(NONE).size());
    }

    void testTheTimesAreThoseOfTheProcessors() { expect(202, 404, 505, 3636, timesOf({0, 12}, stat_)); }

    /** Under other numbers, as of lxcfs, or the same. */
    void testAFileOfAsManyProcessorsCountsWhole() {
        expect(222, 444, 555, 3996, timesOf({12, 13, 14}, stat_));
        expect(0, 0, 0, 0, timesOf({0}, ""));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ProcessorsTest);

}  // namespace Passenger
