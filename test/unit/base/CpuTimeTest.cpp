#include "base/CpuTime.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <ctime>

#include "support/Eventually.h"

namespace Passenger {

using namespace std::chrono_literals;

class CpuTimeTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(CpuTimeTest);
    CPPUNIT_TEST(testTheTimeOfAProcessGrowsWhileItComputes);
    CPPUNIT_TEST(testAFamilyHasTheTimeOfDescendantsAndOfThoseThatHaveEnded);
    CPPUNIT_TEST(testAProcessIsOlderThanItsChildAndThanItsProcessorTime);
    CPPUNIT_TEST(testWithoutAProcessThereIsNoTime);
    CPPUNIT_TEST(testManyYearsOfProcessorTimeDoNotWrap);
    CPPUNIT_TEST_SUITE_END();

    /** Uses so much CPU time, however busy the machine is. */
    static void compute(std::clock_t milliseconds) {
        const std::clock_t end = std::clock() + milliseconds * CLOCKS_PER_SEC / 1000;
        while (std::clock() < end) {
        }
    }

public:
    void testTheTimeOfAProcessGrowsWhileItComputes() {
        const auto before = cpuTimeOf(::getpid());
        CPPUNIT_ASSERT(before);
        compute(100);
        CPPUNIT_ASSERT(*cpuTimeOf(::getpid()) - *before >= 50ms);
    }

    void testAFamilyHasTheTimeOfDescendantsAndOfThoseThatHaveEnded() {
        const auto before = cpuTimeOfFamily(::getpid());
        if (!before) {
            // The kernel does not list children.
            return;
        }
        const pid_t child = ::fork();
        if (child == 0) {
            compute(1000);
            for (;;) {
                ::pause();
            }
        }
        CPPUNIT_ASSERT(eventually([&] { return *cpuTimeOf(child) >= 900ms; }));
        CPPUNIT_ASSERT(*cpuTimeOfFamily(::getpid()) - *before >= 900ms);
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
        CPPUNIT_ASSERT(*cpuTimeOfFamily(::getpid()) - *before >= 900ms);
    }

    void testAProcessIsOlderThanItsChildAndThanItsProcessorTime() {
        const pid_t child = ::fork();
        if (child == 0) {
            for (;;) {
                ::pause();
            }
        }
        compute(100);
        const auto age = ageOf(child);
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
        CPPUNIT_ASSERT(age > 0ns);
        CPPUNIT_ASSERT(age <= ageOf(::getpid()));
        CPPUNIT_ASSERT(ageOf(::getpid()) >= 100ms);
        CPPUNIT_ASSERT(ageOf(child) == 0ns);
    }

    // 32 processors need 67 days for six years.
    void testManyYearsOfProcessorTimeDoNotWrap() {
        const auto perSecond = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
        const std::uint64_t ticks = 100 * 365 * 86400ULL * perSecond + perSecond / 2;
        CPPUNIT_ASSERT(cpuTimeOfTicks(ticks) == 100h * 365 * 24 + 500ms);
    }

    void testWithoutAProcessThereIsNoTime() {
        CPPUNIT_ASSERT(!cpuTimeOf(0));
        CPPUNIT_ASSERT(!cpuTimeOfFamily(0));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(CpuTimeTest);

}  // namespace Passenger
