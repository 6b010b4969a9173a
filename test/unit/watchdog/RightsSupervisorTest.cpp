#include "watchdog/RightsSupervisor.h"

#include <cppunit/TestFixture.h>
#include <cppunit/extensions/HelperMacros.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "support/CapturedLog.h"
#include "support/Eventually.h"
#include "support/ManualClock.h"
#include "support/Tracer.h"

namespace Passenger {

using namespace std::chrono_literals;

/** Rights processes that accept their settings, and then close their sockets. */
class RightsSupervisorTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(RightsSupervisorTest);
    CPPUNIT_TEST(testAKilledRightsProcessThatDoesNotEndIsLeftBehind);
    CPPUNIT_TEST(testARightsProcessThatHasEndedIsStartedAgain);
    CPPUNIT_TEST_SUITE_END();

    std::optional<CapturedLog> log_;
    ManualClock clock_;
    std::string folder_;
    std::optional<RightsSupervisor> supervisor_;

    /** Those that have closed their sockets. */
    std::vector<pid_t> started() const {
        std::ifstream file(folder_ + "/pids");
        return {std::istream_iterator<pid_t>(file), {}};
    }
    pid_t start() {
        supervisor_->start();
        CPPUNIT_ASSERT(eventually([this] { return started().size() == 1; }));
        return started().front();
    }
    /** The process whose socket is closed does not get the pool process's, and is killed. */
    void connectPool() {
        static_cast<void>(supervisor_->connectPool(::getuid(), ::getpid()));
        CPPUNIT_ASSERT(log_->contains("event=rights.unreachable"));
    }

public:
    void setUp() override {
        log_.emplace();
        std::string name = std::filesystem::temp_directory_path() / "passenger-test.XXXXXX";
        folder_ = ::mkdtemp(name.data());
        std::ofstream(folder_ + "/done") << Frame(FrameType::SETTINGS_DONE).encode();
        const std::string program = folder_ + "/program";
        std::ofstream(program) << "#!/bin/sh\ncat '" << folder_ << "/done' >&3\nexec 3>&-\necho $$ >>'" << folder_
                               << "/pids'\nexec sleep 600\n";
        std::filesystem::permissions(program, std::filesystem::perms::owner_all);
        supervisor_.emplace([program] { return program; }, clock_);
    }

    void tearDown() override {
        supervisor_.reset();
        // The test's clock is fast: a killed process may be left behind before it has ended.
        for (const pid_t pid : started()) {
            ::waitpid(pid, nullptr, 0);
        }
        std::filesystem::remove_all(folder_);
        log_.reset();
    }

    void testAKilledRightsProcessThatDoesNotEndIsLeftBehind() {
        const pid_t pid = start();
        {
            const Tracer tracer(pid);
            connectPool();
            const auto wait = supervisor_->untilUpkeep();
            CPPUNIT_ASSERT(wait && *wait > 0ms);
            clock_.advance(*wait - 1ms);
            CPPUNIT_ASSERT(!supervisor_->upkeep());
            CPPUNIT_ASSERT(!log_->contains("event=rights.left_behind"));
            clock_.advance(1ms);
            CPPUNIT_ASSERT(supervisor_->upkeep());
            CPPUNIT_ASSERT(log_->contains("event=rights.left_behind pid=" + std::to_string(pid)));
            CPPUNIT_ASSERT(eventually([this] { return started().size() == 2; }));
        }
        CPPUNIT_ASSERT(!supervisor_->reap(pid));
    }

    void testARightsProcessThatHasEndedIsStartedAgain() {
        const pid_t pid = start();
        connectPool();
        CPPUNIT_ASSERT(!supervisor_->reap(pid + 1));
        CPPUNIT_ASSERT(eventually([&] { return supervisor_->reap(pid); }));
        CPPUNIT_ASSERT(log_->contains("event=rights.exited pid=" + std::to_string(pid)));
        CPPUNIT_ASSERT(supervisor_->untilUpkeep() == 0ms);
        CPPUNIT_ASSERT(supervisor_->upkeep());
        CPPUNIT_ASSERT(eventually([this] { return started().size() == 2; }));
        CPPUNIT_ASSERT(!log_->contains("event=rights.left_behind"));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RightsSupervisorTest);

}  // namespace Passenger
