#include "agent/LogMonitor.h"

#include <cppunit/extensions/HelperMacros.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <vector>

#include "support/Eventually.h"
#include "support/LeakCheck.h"

namespace Passenger {

class LogMonitorTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(LogMonitorTest);
    CPPUNIT_TEST(testTheLastLinesOfAFileThatLeavesTheListAreCopied);
    CPPUNIT_TEST_SUITE_END();

public:
    void testTheLastLinesOfAFileThatLeavesTheListAreCopied() {
        char folder[] = "/tmp/passenger-unit-LogMonitorTest.XXXXXX";
        CPPUNIT_ASSERT(::mkdtemp(folder) != nullptr);
        const std::string path = std::string(folder) + "/log";
        std::ofstream(path) << "old\n";
        std::mutex mutex;
        std::vector<std::string> lines;
        std::atomic<int> lists = 0;
        {
            // The callback writes to the file after the monitor has read it, and before the monitor
            // sees that the file has left the list.
            LogMonitor monitor(
                {[&] {
                     if (++lists == 1) {
                         return std::vector<LogMonitor::File>{{path, RunAs(), AppFile::NamedBy::CONFIGURATION}};
                     }
                     if (lists == 2) {
                         std::ofstream(path, std::ios::app) << "last\nwords";
                     }
                     return std::vector<LogMonitor::File>();
                 },
                 [&](const std::string &, const std::string &line) {
                     const std::scoped_lock lock(mutex);
                     lines.push_back(line);
                 }});
            monitor.wake();
            CPPUNIT_ASSERT(eventually([&] { return lists > 2; }));
        }
        std::filesystem::remove_all(folder);
        CPPUNIT_ASSERT((lines == std::vector<std::string>{"last", "words"}));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(LogMonitorTest);

}  // namespace Passenger
