#include "watchdog/ProcessorShortage.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include <cppunit/extensions/HelperMacros.h>

#include "support/ManualClock.h"

namespace Passenger {

using std::chrono::seconds;

/** The folders of the kernel are made by the test: how much time a thread has had is given. */
class ProcessorShortageTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ProcessorShortageTest);
    CPPUNIT_TEST(testAThreadThatIsReadyAndHardlyRunsLacksTime);
    CPPUNIT_TEST(testAThreadThatRunsAllTheTimeLacksNone);
    CPPUNIT_TEST(testAThreadThatSleepsAtOneOfTheMomentsLacksNone);
    CPPUNIT_TEST(testAnyThreadMayLackTime);
    CPPUNIT_TEST(testAProcessThatCannotBeReadLacksNone);
    CPPUNIT_TEST_SUITE_END();

    static constexpr pid_t PROCESS = 7;

    ManualClock clock_;
    std::filesystem::path proc_;
    std::optional<ProcessorShortage> shortage_;

public:
    void setUp() override {
        std::string folder = (std::filesystem::temp_directory_path() / "passenger-proc.XXXXXX").string();
        CPPUNIT_ASSERT(::mkdtemp(folder.data()) != nullptr);
        proc_ = folder;
        shortage_.emplace(folder);
    }

    void tearDown() override { std::filesystem::remove_all(proc_); }

    /** @param ticks hundredths of a second that the thread has run, half of them in the kernel */
    void write(pid_t thread, char state, int ticks) const {
        const auto folder = proc_ / std::to_string(PROCESS) / "task" / std::to_string(thread);
        std::filesystem::create_directories(folder);
        std::ofstream(folder / "stat") << thread << " (a ) name) " << state << " 1 7 7 0 -1 4194304 90 0 0 0 "
                                       << ticks / 2 << " " << ticks - ticks / 2 << " 0 0 20 0 1 0 1000 4096\n";
    }

    void lookAndPass() {
        shortage_->look(PROCESS, clock_.now());
        clock_.advance(seconds(2));
    }

    bool lasts() const { return shortage_->lasts(PROCESS, clock_.now()); }

    void testAThreadThatIsReadyAndHardlyRunsLacksTime() {
        write(7, 'R', 1000);
        lookAndPass();
        write(7, 'R', 1099);
        CPPUNIT_ASSERT(lasts());
    }

    void testAThreadThatRunsAllTheTimeLacksNone() {
        write(7, 'R', 1000);
        lookAndPass();
        write(7, 'R', 1101);
        CPPUNIT_ASSERT(!lasts());
    }

    void testAThreadThatSleepsAtOneOfTheMomentsLacksNone() {
        write(7, 'R', 1000);
        write(8, 'S', 1000);
        lookAndPass();
        write(7, 'S', 1000);
        write(8, 'R', 1000);
        write(9, 'R', 0);
        CPPUNIT_ASSERT(!lasts());
    }

    /** It may hold a lock for which the event loop waits. */
    void testAnyThreadMayLackTime() {
        write(7, 'S', 1000);
        write(8, 'R', 1000);
        lookAndPass();
        CPPUNIT_ASSERT(lasts());
    }

    void testAProcessThatCannotBeReadLacksNone() {
        lookAndPass();
        CPPUNIT_ASSERT(!lasts());
        write(7, 'R', 1000);
        std::ofstream(proc_ / "7/task/7/stat") << "7 (cut";
        lookAndPass();
        CPPUNIT_ASSERT(!lasts());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ProcessorShortageTest);

}  // namespace Passenger
