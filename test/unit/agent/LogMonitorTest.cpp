#include "agent/LogMonitor.h"

#include <cppunit/extensions/HelperMacros.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/Exceptions.h"
#include "base/SystemClock.h"
#include "loop/EventLoop.h"
#include "restart/FolderWatches.h"
#include "rights/OwnRights.h"
#include "spawning/OutputLimit.h"
#include "support/CapturedLog.h"
#include "support/Eventually.h"
#include "support/LeakCheck.h"
#include "support/NoThreads.h"

namespace Passenger {

class LogMonitorTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(LogMonitorTest);
    CPPUNIT_TEST(testTheLastLinesOfAFileThatLeavesTheListAreCopied);
    CPPUNIT_TEST(testApplicationsOfOneUserShareAFile);
    CPPUNIT_TEST(testASharedFileIsReadThoughTheOptionsOfOneApplicationAreRefused);
    CPPUNIT_TEST(testTheLinesOfASharedFileCountForTheApplicationWithTheHighestLimit);
    CPPUNIT_TEST(testAFileThatHoldsItsReaderDoesNotStopTheCopyingOfAnotherUsersFile);
    CPPUNIT_TEST(testAfterAShortageOfThreadsAFileIsCopied);
    CPPUNIT_TEST(testTheFirstLineAfterAPauseIsCopiedAtOnce);
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

    /** A reload changes the options of one, and takes the earlier ones away. */
    void testApplicationsOfOneUserShareAFile() {
        class FakeRights final : public OwnRights {
        public:
            FileDescriptor openForReading(const std::string &path, const RunAs &owner,
                                          AppFile::NamedBy namedBy) override {
                if (reloaded && owner.options.at("startup_file") == "old") {
                    throw IOException("refused");
                }
                return OwnRights::openForReading(path, RunAs(), namedBy);
            }
            std::atomic<bool> reloaded = false;
        };
        char folder[] = "/tmp/passenger-unit-LogMonitorTest.XXXXXX";
        CPPUNIT_ASSERT(::mkdtemp(folder) != nullptr);
        const std::string path = std::string(folder) + "/log";
        const auto print = [&](const std::string &line) { std::ofstream(path, std::ios::app) << line; };
        print("old\n");
        FakeRights rights;
        Rights::use(&rights);
        std::mutex mutex;
        std::vector<std::string> lines;
        std::atomic<int> lists = 0;
        const auto has = [&](const std::string &line) {
            const std::scoped_lock lock(mutex);
            return std::ranges::find(lines, line) != lines.end();
        };
        {
            LogMonitor monitor({[&] {
                                    ++lists;
                                    RunAs blog;
                                    blog.options["startup_file"] = rights.reloaded ? "new" : "old";
                                    RunAs shop;
                                    shop.options["startup_file"] = "shop";
                                    return std::vector<LogMonitor::File>{{path, blog, AppFile::NamedBy::CONFIGURATION},
                                                                         {path, shop, AppFile::NamedBy::CONFIGURATION}};
                                },
                                [&](const std::string &, const std::string &line) {
                                    const std::scoped_lock lock(mutex);
                                    lines.push_back(line);
                                }});
            monitor.wake();
            CPPUNIT_ASSERT(eventually([&] { return lists > 1; }));
            print("first\nbro");
            CPPUNIT_ASSERT(eventually([&] { return has("first"); }));
            rights.reloaded = true;
            const int before = lists;
            CPPUNIT_ASSERT(eventually([&] { return lists > before + 1; }));
            print("ken\n");
            CPPUNIT_ASSERT(eventually([&] { return has("broken"); }));
            std::filesystem::rename(path, path + ".1");
            print("last\n");
            CPPUNIT_ASSERT(eventually([&] { return has("last"); }));
        }
        Rights::use(nullptr);
        std::filesystem::remove_all(folder);
        CPPUNIT_ASSERT((lines == std::vector<std::string>{"first", "broken", "last"}));
    }

    /** As after a reload without the directive for the first of them, which has instances still. */
    void testASharedFileIsReadThoughTheOptionsOfOneApplicationAreRefused() {
        class FakeRights final : public OwnRights {
        public:
            FileDescriptor openForReading(const std::string &path, const RunAs &owner,
                                          AppFile::NamedBy namedBy) override {
                if (owner.options.at("startup_file") == "refused") {
                    throw IOException("refused");
                }
                return OwnRights::openForReading(path, RunAs(), namedBy);
            }
        };
        FakeRights rights;
        Rights::use(&rights);
        const CapturedLog log;
        const std::vector<std::string> lines = linesOfASharedFile(nullptr, nullptr, 1);
        Rights::use(nullptr);
        CPPUNIT_ASSERT((lines == std::vector<std::string>{"line 0"}));
        CPPUNIT_ASSERT(!log.contains("event=monitor.failed"));
    }

    void testTheLinesOfASharedFileCountForTheApplicationWithTheHighestLimit() {
        EventLoop loop;
        const auto few = std::make_shared<OutputLimit>(loop, SystemClock::instance(), "blog");
        few->set(1);
        const auto many = std::make_shared<OutputLimit>(loop, SystemClock::instance(), "shop");
        many->set(1'000);
        constexpr std::size_t LINES = 50;
        CPPUNIT_ASSERT_EQUAL(LINES, linesOfASharedFile(few, many, LINES).size());
        CPPUNIT_ASSERT_EQUAL(LINES, linesOfASharedFile(many, few, LINES).size());
        many->set(0);
        CPPUNIT_ASSERT_EQUAL(LINES, linesOfASharedFile(few, many, LINES).size());
    }

    /** A sink that waits stands for a lock of the file that a program holds. */
    void testAFileThatHoldsItsReaderDoesNotStopTheCopyingOfAnotherUsersFile() {
        char folder[] = "/tmp/passenger-unit-LogMonitorTest.XXXXXX";
        CPPUNIT_ASSERT(::mkdtemp(folder) != nullptr);
        const std::string held = std::string(folder) + "/held";
        const std::string other = std::string(folder) + "/other";
        const auto print = [](const std::string &path) { std::ofstream(path, std::ios::app) << "line\n"; };
        print(held);
        print(other);
        RunAs user;
        user.uid = 4711;
        std::promise<void> letGo;
        const std::shared_future<void> gone = letGo.get_future();
        std::atomic<int> lists = 0;
        std::atomic<bool> holds = false;
        std::atomic<int> lines = 0;
        {
            LogMonitor monitor({[&] {
                                    ++lists;
                                    return std::vector<LogMonitor::File>{
                                        {held, RunAs(), AppFile::NamedBy::CONFIGURATION},
                                        {other, user, AppFile::NamedBy::CONFIGURATION}};
                                },
                                [&, gone](const std::string &path, const std::string &) {
                                    if (path == held) {
                                        holds = true;
                                        gone.wait();
                                    } else {
                                        ++lines;
                                    }
                                }});
            monitor.wake();
            CPPUNIT_ASSERT(eventually([&] { return lists > 2; }));
            print(held);
            const bool heldSoon = eventually([&] { return holds.load(); });
            print(other);
            const bool copied = eventually([&] { return lines == 1; });
            print(other);
            const bool copiedAgain = copied && eventually([&] { return lines == 2; });
            letGo.set_value();
            CPPUNIT_ASSERT(heldSoon);
            CPPUNIT_ASSERT(copiedAgain);
        }
        std::filesystem::remove_all(folder);
    }

    void testAfterAShortageOfThreadsAFileIsCopied() {
        char folder[] = "/tmp/passenger-unit-LogMonitorTest.XXXXXX";
        CPPUNIT_ASSERT(::mkdtemp(folder) != nullptr);
        const std::string path = std::string(folder) + "/log";
        std::atomic<int> lists = 0;
        std::atomic<int> lines = 0;
        {
            LogMonitor monitor(
                {[&] {
                     ++lists;
                     return std::vector<LogMonitor::File>{{path, RunAs(), AppFile::NamedBy::CONFIGURATION}};
                 },
                 [&](const std::string &, const std::string &) { ++lines; }});
            {
                const NoThreads shortage;
                monitor.wake();
                CPPUNIT_ASSERT(eventually([&] { return lists > 2; }));
            }
            CPPUNIT_ASSERT(eventually([&] {
                std::ofstream(path, std::ios::app) << "line\n";
                return lines > 0;
            }));
        }
        std::filesystem::remove_all(folder);
    }

    /** Without an event each line waits for the monitor's next look, which follows a list. */
    void testTheFirstLineAfterAPauseIsCopiedAtOnce() {
        char folder[] = "/tmp/passenger-unit-LogMonitorTest.XXXXXX";
        CPPUNIT_ASSERT(::mkdtemp(folder) != nullptr);
        const std::string path = std::string(folder) + "/log";
        std::ofstream file(path);
        std::atomic<int> lists = 0;
        std::atomic<int> lines = 0;
        {
            LogMonitor monitor(
                {[&] {
                     ++lists;
                     return std::vector<LogMonitor::File>{{path, RunAs(), AppFile::NamedBy::CONFIGURATION}};
                 },
                 [&](const std::string &, const std::string &) { ++lines; }});
            monitor.wake();
            CPPUNIT_ASSERT(eventually([&] { return lists > 2; }));
            // In the first two seconds the monitor looks all the time. A busy machine is slow now
            // and then, and where inotify is short the monitor has none.
            constexpr int LINES = 8;
            CPPUNIT_ASSERT(!openInotify() || eventually([&] {
                const int before = lists;
                for (int line = 0; line < LINES; ++line) {
                    const int copied = lines;
                    file << "line" << std::endl;
                    CPPUNIT_ASSERT(eventually([&] { return lines > copied; }));
                }
                return lists - before < LINES / 2;
            }));
        }
        std::filesystem::remove_all(folder);
    }

private:
    /** @return the lines that are copied of so many, of a file that two applications of a user name
     */
    static std::vector<std::string> linesOfASharedFile(const std::shared_ptr<OutputLimit> &first,
                                                       const std::shared_ptr<OutputLimit> &second, std::size_t count) {
        char folder[] = "/tmp/passenger-unit-LogMonitorTest.XXXXXX";
        CPPUNIT_ASSERT(::mkdtemp(folder) != nullptr);
        const std::string path = std::string(folder) + "/log";
        std::ofstream(path) << "old\n";
        RunAs blog;
        blog.options["startup_file"] = "refused";
        RunAs shop;
        shop.options["startup_file"] = "shop";
        std::mutex mutex;
        std::vector<std::string> lines;
        std::atomic<int> lists = 0;
        {
            LogMonitor monitor(
                {[&] {
                     ++lists;
                     const auto named = AppFile::NamedBy::CONFIGURATION;
                     return std::vector<LogMonitor::File>{{path, blog, named, first}, {path, shop, named, second}};
                 },
                 [&](const std::string &, const std::string &line) {
                     const std::scoped_lock lock(mutex);
                     lines.push_back(line);
                 }});
            monitor.wake();
            CPPUNIT_ASSERT(eventually([&] { return lists > 1; }));
            {
                std::ofstream file(path, std::ios::app);
                for (std::size_t i = 0; i < count; ++i) {
                    file << "line " << i << "\n";
                }
            }
            const std::string last = "line " + std::to_string(count - 1);
            eventually([&] {
                const std::scoped_lock lock(mutex);
                return !lines.empty() && lines.back() == last;
            });
        }
        std::filesystem::remove_all(folder);
        return lines;
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(LogMonitorTest);

}  // namespace Passenger
