#include "commands/SystemMetrics.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>

namespace Passenger {

class SystemMetricsTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(SystemMetricsTest);
    CPPUNIT_TEST(testUsageIsTheDifferenceOfTwoMoments);
    CPPUNIT_TEST(testATimeThatFallsIsNoUsage);
    CPPUNIT_TEST(testThisMachineHasProcessorsAndMemory);
    CPPUNIT_TEST_SUITE_END();

    static void expectIn(const std::string &text, const std::string &part) {
        CPPUNIT_ASSERT_MESSAGE(text, text.find(part) != std::string::npos);
    }

public:
    void testUsageIsTheDifferenceOfTwoMoments() {
        SystemMetrics before;
        before.readStat("cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 100 0 100 800 0 0 0 0 0 0\nprocesses 50\n");
        SystemMetrics after;
        after.readStat("cpu  150 0 110 830 5 0 0 5 0 0\ncpu0 150 0 110 830 5 0 0 5 0 0\nprocesses 60\n");
        after.readMemory("MemTotal:  4096000 kB\nMemAvailable:  1024000 kB\nHugePages_Total:   0\n");
        const std::string text = metricsForm(before, after, 2);
        expectIn(text, "Fork rate         : 5/sec\n");
        expectIn(text, "Number of CPUs    :    1\n");
        expectIn(text, "Average CPU usage :  60%  --   50% user,    0% nice,   10% system,   30% idle\n");
        expectIn(text, "RAM total         :  4000 MB\nRAM used          :  3000 MB (75%)\n");
        expectIn(metricsJson(before, after, 2), "\"ram_total\": 4194304000");
    }

    /** The wait for disks does (proc(5)). */
    void testATimeThatFallsIsNoUsage() {
        SystemMetrics before;
        before.readStat("cpu  100 0 0 100 1000\ncpu0 100 0 0 100 1000\nprocesses 50\n");
        SystemMetrics after;
        after.readStat("cpu  110 0 0 100 998\ncpu0 110 0 0 100 998\nprocesses 50\n");
        expectIn(metricsForm(before, after, 1), "Average CPU usage : 100%  --  100% user,    0% nice,    0% system");
        const std::string json = metricsJson(before, after, 1);
        CPPUNIT_ASSERT_MESSAGE(json, json.find("e+") == std::string::npos);
    }

    void testThisMachineHasProcessorsAndMemory() {
        const SystemMetrics metrics = SystemMetrics::now();
        CPPUNIT_ASSERT(metrics.processors.size() > 1);
        CPPUNIT_ASSERT(metrics.memory.at("MemTotal") > 0);
        CPPUNIT_ASSERT(metrics.uptime > 0);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SystemMetricsTest);

}  // namespace Passenger
