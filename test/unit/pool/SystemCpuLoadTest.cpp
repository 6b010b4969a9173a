#include "pool/SystemCpuLoad.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sched.h>
#include <sys/resource.h>

#include <fstream>
#include <optional>
#include <string>
#include <thread>

#include "base/Processors.h"
#include "support/Eventually.h"
#include "support/ManualClock.h"
#include "support/SpawningFixture.h"

namespace Passenger {

using namespace std::chrono_literals;

class SystemCpuLoadTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(SystemCpuLoadTest);
    CPPUNIT_TEST(testAtFirstAllCoresCountAsIdle);
    CPPUNIT_TEST(testTheLoadIsMeasuredOverATenthOfASecondAtLeast);
    CPPUNIT_TEST(testABusyThreadTakesACore);
    CPPUNIT_TEST(testProcessorsThatThisProcessMayNotUseDoNotCount);
    CPPUNIT_TEST(testAQuotaIsAsSoManyProcessors);
    CPPUNIT_TEST(testAQuotaThatChangesCounts);
    CPPUNIT_TEST(testAQuotaAboveTheProcessorsLimitsNothing);
    CPPUNIT_TEST(testOfALongTimeWithoutALookOneIdleCoreCounts);
    CPPUNIT_TEST_SUITE_END();

    ManualClock clock_;
    std::optional<ApplicationFolder> folder_;
    CgroupFiles files_;

    static unsigned processors() { return static_cast<unsigned>(processorsOf().size()); }
    /** What the group may use, in microseconds of 100 ms, and has used. */
    void group(const std::string &quota, std::chrono::microseconds used) const {
        std::ofstream(files_.membership) << "0::/\n" << std::flush;
        std::ofstream(folder_->path() + "/cpu.max") << quota << " 100000\n" << std::flush;
        std::ofstream(folder_->path() + "/cpu.stat") << "usage_usec " << used.count() << "\n" << std::flush;
    }

    /** Uses processor time until the kernel has counted some of it. */
    static void work() {
        const auto end = std::chrono::steady_clock::now() + 150ms;
        while (std::chrono::steady_clock::now() < end) {
        }
    }

public:
    void setUp() override {
        folder_.emplace("");
        files_ = {folder_->path() + "/membership", folder_->path()};
    }

    void tearDown() override { folder_.reset(); }

    void testAtFirstAllCoresCountAsIdle() {
        SystemCpuLoad load(clock_);
        CPPUNIT_ASSERT(load.cores() >= 1);
        CPPUNIT_ASSERT_EQUAL(static_cast<double>(load.cores()), load.idleCores());
    }

    void testTheLoadIsMeasuredOverATenthOfASecondAtLeast() {
        SystemCpuLoad load(clock_);
        work();
        clock_.advance(99ms);
        CPPUNIT_ASSERT_EQUAL(static_cast<double>(load.cores()), load.idleCores());
    }

    void testABusyThreadTakesACore() {
        if (::getpriority(PRIO_PROCESS, 0) > 0) {
            // The load of a process with a low priority does not count.
            return;
        }
        SystemCpuLoad load(clock_, files_);
        CPPUNIT_ASSERT(eventually([&] {
            work();
            clock_.advance(100ms);
            return load.idleCores() < load.cores() - 0.5;
        }));
        CPPUNIT_ASSERT(load.idleCores() >= 0);
    }

    void testProcessorsThatThisProcessMayNotUseDoNotCount() {
        unsigned cores = 0;
        std::thread([&] {
            cpu_set_t set;
            CPU_ZERO(&set);
            CPU_SET(processorsOf().front(), &set);
            if (::sched_setaffinity(0, sizeof set, &set) == 0) {
                cores = SystemCpuLoad(clock_, files_).cores();
            }
        }).join();
        CPPUNIT_ASSERT_EQUAL(1U, cores);
    }

    void testAQuotaIsAsSoManyProcessors() {
        group("50000", 1s);
        SystemCpuLoad load(clock_, files_);
        CPPUNIT_ASSERT_EQUAL(1U, load.cores());
        CPPUNIT_ASSERT_EQUAL(1.0, load.idleCores());
        // 100 ms of 200 ms, whatever the machine does.
        group("50000", 1100ms);
        clock_.advance(200ms);
        CPPUNIT_ASSERT_DOUBLES_EQUAL(0.0, load.idleCores(), 1e-9);
        group("50000", 1150ms);
        clock_.advance(1s);
        CPPUNIT_ASSERT_DOUBLES_EQUAL(0.9, load.idleCores(), 1e-9);
    }

    void testOfALongTimeWithoutALookOneIdleCoreCounts() {
        group("150000", 1s);
        SystemCpuLoad load(clock_, files_);
        clock_.advance(1h);
        CPPUNIT_ASSERT_EQUAL(1.0, load.idleCores());
        clock_.advance(100ms);
        CPPUNIT_ASSERT_EQUAL(static_cast<double>(load.cores()), load.idleCores());
    }

    void testAQuotaThatChangesCounts() {
        group("50000", 1s);
        SystemCpuLoad load(clock_, files_);
        group("25000", 1s + 125ms);
        clock_.advance(1s);
        CPPUNIT_ASSERT_DOUBLES_EQUAL(0.5, load.idleCores(), 1e-9);
        group("max", 1s + 125ms);
        clock_.advance(1s);
        load.idleCores();
        CPPUNIT_ASSERT_EQUAL(processors(), load.cores());
    }

    void testAQuotaAboveTheProcessorsLimitsNothing() {
        group("100000000", 0s);
        CPPUNIT_ASSERT_EQUAL(processors(), SystemCpuLoad(clock_, files_).cores());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SystemCpuLoadTest);

}  // namespace Passenger
