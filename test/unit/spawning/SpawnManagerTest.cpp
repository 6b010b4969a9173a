#include "spawning/SpawnManager.h"

#include <cppunit/extensions/HelperMacros.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <list>
#include <stdexcept>

#include "base/PidFd.h"
#include "base/SystemUserDatabase.h"
#include "log/Log.h"
#include "support/Eventually.h"
#include "support/Expect.h"
#include "support/SpawningFixture.h"
#include "support/TestThread.h"

namespace Passenger {

using namespace std::chrono_literals;

class SpawnManagerTest : public SpawningFixture {
    CPPUNIT_TEST_SUITE(SpawnManagerTest);
    CPPUNIT_TEST(testNothingIsStartedBeforeItIsNeeded);
    CPPUNIT_TEST(testTheSpawnServerIsStartedOnce);
    CPPUNIT_TEST(testTheSpawnServerStartsProcesses);
    CPPUNIT_TEST(testAKilledSpawnServerIsStartedAgain);
    CPPUNIT_TEST(testRequestsThatWaitWhenTheSpawnServerIsKilledAreTriedAgain);
    CPPUNIT_TEST(testASpawnServerThatHangsIsReplaced);
    CPPUNIT_TEST(testADeadSpawnServerHasNoPid);
    CPPUNIT_TEST(testProcessesOutliveTheSpawnServer);
    CPPUNIT_TEST(testProcessesOutliveAKilledSpawnServer);
    CPPUNIT_TEST(testAMissingRubyIsNamed);
    CPPUNIT_TEST(testASpawnServerThatCannotStartIsReportedWithItsOutput);
    CPPUNIT_TEST(testAnApplicationsMissingRubyIsNamed);
    CPPUNIT_TEST(testOtherSettingsNeedAnotherSpawnServer);
    CPPUNIT_TEST(testAsRootAllProcessesCanRunAsOneUser);
    CPPUNIT_TEST(testEachUserAndGroupHasASpawnServer);
    CPPUNIT_TEST(testAHangingSpawnServerHoldsUpItsUserOnly);
    CPPUNIT_TEST(testNoSpawnServerRunsAsRoot);
    CPPUNIT_TEST(testAsRootSpawnServersDoNotHaveTheAgentsEnvironment);
    CPPUNIT_TEST(testAnUnknownUserIsNamed);
    CPPUNIT_TEST(testSeveralThreadsMayStartProcessesAtOnce);
    CPPUNIT_TEST(testAnEnvironmentOverTheLimitIsRefused);
    CPPUNIT_TEST_SUITE_END();

    static SpawnManager::Deadline soon() { return std::chrono::steady_clock::now() + 60s; }

    static bool isRoot() { return ::geteuid() == 0; }

    /** Run by root, the test asks for the user "nobody": no spawn server runs as root. */
    static StartRequest request() {
        StartRequest request;
        request.program = settings().rubyCommand;
        request.user = isRoot() ? "nobody" : "";
        request.group = isRoot() ? "nogroup" : "";
        return request;
    }

    static gid_t groupOf(pid_t pid) {
        struct stat folder {};
        CPPUNIT_ASSERT_EQUAL(0, ::stat(("/proc/" + std::to_string(pid)).c_str(), &folder));
        return folder.st_gid;
    }

    /** Receives the hello of the process, and checks its sender. @return the pidfd of the
     *  process */
    FileDescriptor hello(StartedProcess &process) {
        FileDescriptor pidFd = openPidFd(process.pid);
        const Frame frame = process.control.receive(soon());
        CPPUNIT_ASSERT(FrameType::PROCESS_HELLO == frame.type);
        CPPUNIT_ASSERT_EQUAL(process.pid, frame.sender.pid);
        return pidFd;
    }

    void startOne() {
        auto process = manager_->start(request(), soon());
        const auto pidFd = hello(process);
        process.control = FrameSocket();
        CPPUNIT_ASSERT(waitPidFd(pidFd, 60s));
    }

public:
    void testNothingIsStartedBeforeItIsNeeded() { CPPUNIT_ASSERT_EQUAL(0, manager_->spawnServerPid()); }

    void testTheSpawnServerIsStartedOnce() {
        manager_->ensureStarted();
        const pid_t pid = manager_->spawnServerPid();
        CPPUNIT_ASSERT(pid > 0);
        manager_->ensureStarted();
        CPPUNIT_ASSERT_EQUAL(pid, manager_->spawnServerPid());
        CPPUNIT_ASSERT(log_->contains("event=spawn_server.started") || Log::level() < LogLevel::INFO);
    }

    void testTheSpawnServerStartsProcesses() {
        startOne();
        startOne();
    }

    void testAKilledSpawnServerIsStartedAgain() {
        startOne();
        const pid_t first = manager_->spawnServerPid();
        CPPUNIT_ASSERT_EQUAL(0, ::kill(first, SIGKILL));
        // Works at once, whether the manager notices the death before the request or during it.
        startOne();
        CPPUNIT_ASSERT(manager_->spawnServerPid() != first);
    }

    void testRequestsThatWaitWhenTheSpawnServerIsKilledAreTriedAgain() {
        manager_->ensureStarted();
        const pid_t first = manager_->spawnServerPid();
        // A stopped spawn server does not answer, so the request certainly waits when the server is
        // killed.
        CPPUNIT_ASSERT_EQUAL(0, ::kill(first, SIGSTOP));
        std::atomic<bool> begun = false;
        TestThread request([&] {
            begun = true;
            startOne();
        });
        CPPUNIT_ASSERT(eventually([&] { return begun.load(); }));
        ::poll(nullptr, 0, 200);
        CPPUNIT_ASSERT_EQUAL(0, ::kill(first, SIGKILL));
        request.join();
        CPPUNIT_ASSERT(manager_->spawnServerPid() != first);
        CPPUNIT_ASSERT(log_->contains("event=spawn_server.lost"));
    }

    void testASpawnServerThatHangsIsReplaced() {
        startOne();
        const pid_t first = manager_->spawnServerPid();
        const FileDescriptor pidFd = openPidFd(first);
        CPPUNIT_ASSERT_EQUAL(0, ::kill(first, SIGSTOP));
        thrownBy<TimeoutException>([&] { manager_->start(request(), std::chrono::steady_clock::now() + 100ms); });
        CPPUNIT_ASSERT(waitPidFd(pidFd, 60s));
        CPPUNIT_ASSERT(log_->contains("event=spawn_server.hangs pid=" + std::to_string(first)));
        CPPUNIT_ASSERT_EQUAL(0, manager_->spawnServerPid());
        startOne();
        CPPUNIT_ASSERT(manager_->spawnServerPid() != first);
    }

    void testADeadSpawnServerHasNoPid() {
        manager_->ensureStarted();
        CPPUNIT_ASSERT_EQUAL(0, ::kill(manager_->spawnServerPid(), SIGKILL));
        CPPUNIT_ASSERT(eventually([&] { return manager_->spawnServerPid() == 0; }));
    }

    void testProcessesOutliveTheSpawnServer() {
        auto process = manager_->start(request(), soon());
        const auto pidFd = hello(process);
        manager_.reset();
        CPPUNIT_ASSERT(!waitPidFd(pidFd, 0ms));
        process.control = FrameSocket();
        CPPUNIT_ASSERT(waitPidFd(pidFd, 60s));
    }

    void testProcessesOutliveAKilledSpawnServer() {
        auto process = manager_->start(request(), soon());
        const auto pidFd = hello(process);
        CPPUNIT_ASSERT_EQUAL(0, ::kill(manager_->spawnServerPid(), SIGKILL));
        startOne();
        CPPUNIT_ASSERT(!waitPidFd(pidFd, 0ms));
        process.control = FrameSocket();
        CPPUNIT_ASSERT(waitPidFd(pidFd, 60s));
    }

    void testAMissingRubyIsNamed() {
        auto other = settings();
        other.rubyCommand = "/nonexistent/ruby";
        manager_->configure(other);
        const auto e = thrownBy<std::runtime_error>([&] { manager_->ensureStarted(); });
        CPPUNIT_ASSERT(std::string(e.what()).find("/nonexistent/ruby\"") != std::string::npos);
        CPPUNIT_ASSERT(std::string(e.what()).find("No such file or directory") != std::string::npos);
        CPPUNIT_ASSERT_EQUAL(0, manager_->spawnServerPid());
    }

    void testASpawnServerThatCannotStartIsReportedWithItsOutput() {
        auto other = settings();
        other.spawnServerCommand = "/nonexistent/spawn_server.rb";
        manager_->configure(other);
        const auto e = thrownBy<SpawnException>([&] { manager_->ensureStarted(); });
        CPPUNIT_ASSERT_EQUAL(std::string("the spawn server could not be started: it exited with status 1"),
                             std::string(e.what()));
        CPPUNIT_ASSERT_MESSAGE(e.report(), e.report().find("No such file or directory") != std::string::npos);
    }

    void testAnApplicationsMissingRubyIsNamed() {
        manager_->ensureStarted();
        const pid_t pid = manager_->spawnServerPid();
        auto request = SpawnManagerTest::request();
        request.program = "/nonexistent/ruby";
        const auto e = thrownBy<SpawnException>([&] { manager_->start(request, soon()); });
        CPPUNIT_ASSERT_MESSAGE(e.what(), std::string(e.what()).find("/nonexistent/ruby") != std::string::npos);
        CPPUNIT_ASSERT_EQUAL(pid, manager_->spawnServerPid());
        startOne();
    }

    void testOtherSettingsNeedAnotherSpawnServer() {
        manager_->ensureStarted();
        const pid_t first = manager_->spawnServerPid();
        manager_->configure(settings());
        CPPUNIT_ASSERT_EQUAL(first, manager_->spawnServerPid());
        auto other = settings();
        other.user = "nobody";
        manager_->configure(other);
        CPPUNIT_ASSERT_EQUAL(0, manager_->spawnServerPid());
    }

    // Only root can switch users.
    void testAsRootAllProcessesCanRunAsOneUser() {
        if (!isRoot()) {
            return;
        }
        CPPUNIT_ASSERT(manager_->canSwitchUsers());
        auto other = settings();
        other.user = "nobody";
        manager_->configure(other);
        CPPUNIT_ASSERT(!manager_->canSwitchUsers());
        auto daemons = request();
        daemons.user = "daemon";
        const auto process = manager_->start(daemons, soon());
        CPPUNIT_ASSERT_EQUAL(SystemUserDatabase().userNamed("nobody")->uid, process.parentUid);
    }

    void testEachUserAndGroupHasASpawnServer() {
        if (!isRoot()) {
            return;
        }
        startOne();
        const pid_t first = manager_->spawnServerPid();
        auto daemons = request();
        daemons.group = "daemon";
        const auto process = manager_->start(daemons, soon());
        const pid_t second = manager_->spawnServerPid();
        CPPUNIT_ASSERT(first != second);
        CPPUNIT_ASSERT_EQUAL(SystemUserDatabase().userNamed("nobody")->uid, process.parentUid);
        CPPUNIT_ASSERT_EQUAL(SystemUserDatabase().groupNamed("daemon")->gid, groupOf(process.pid));
        startOne();
        CPPUNIT_ASSERT_EQUAL_MESSAGE("no further one is started", second, manager_->spawnServerPid());
    }

    void testAHangingSpawnServerHoldsUpItsUserOnly() {
        if (!isRoot()) {
            return;
        }
        startOne();
        const pid_t hanging = manager_->spawnServerPid();
        CPPUNIT_ASSERT_EQUAL(0, ::kill(hanging, SIGSTOP));
        const FileDescriptor pidFd = openPidFd(hanging);
        TestThread waiting([this] { startOne(); });
        auto daemons = request();
        daemons.user = "daemon";
        daemons.group = "daemon";
        const auto process = manager_->start(daemons, soon());
        CPPUNIT_ASSERT_EQUAL(SystemUserDatabase().userNamed("daemon")->uid, process.parentUid);
        // Without a spawn server of its own, this start would have waited until the agent ends the
        // one that hangs.
        CPPUNIT_ASSERT(!waitPidFd(pidFd, 0ms));
        CPPUNIT_ASSERT_EQUAL(0, ::kill(hanging, SIGKILL));
        waiting.join();
    }

    void testNoSpawnServerRunsAsRoot() {
        if (!isRoot()) {
            return;
        }
        for (const char *user : {"", "root"}) {
            auto roots = request();
            roots.user = user;
            const auto e = thrownBy<SpawnException>([&] { manager_->start(roots, soon()); });
            CPPUNIT_ASSERT_MESSAGE(e.what(), std::string(e.what()).find("runs as root") != std::string::npos);
        }
        CPPUNIT_ASSERT_EQUAL(0, manager_->spawnServerPid());
    }

    void testAsRootSpawnServersDoNotHaveTheAgentsEnvironment() {
        if (!isRoot()) {
            return;
        }
        ::setenv("PASSENGER_TEST_SECRET", "secret", 1);
        manager_->ensureStarted();
        ::unsetenv("PASSENGER_TEST_SECRET");
        std::ifstream file("/proc/" + std::to_string(manager_->spawnServerPid()) + "/environ");
        const std::string environment{std::istreambuf_iterator<char>(file), {}};
        CPPUNIT_ASSERT(environment.find("USER=nobody") != std::string::npos);
        CPPUNIT_ASSERT(environment.find("SECRET") == std::string::npos);
    }

    void testAnUnknownUserIsNamed() {
        if (!isRoot()) {
            return;
        }
        auto unknown = request();
        unknown.user = "no-such-user";
        const auto e = thrownBy<SpawnException>([&] { manager_->start(unknown, soon()); });
        CPPUNIT_ASSERT_EQUAL(std::string("the spawn server could not be started: cannot become user \"no-such-user\": "
                                         "no such user exists"),
                             std::string(e.what()));
    }

    void testSeveralThreadsMayStartProcessesAtOnce() {
        std::atomic<int> succeeded{0};
        std::list<TestThread> threads;
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([&] {
                auto process = manager_->start(request(), soon());
                if (process.control.receive(soon()).type == FrameType::PROCESS_HELLO) {
                    ++succeeded;
                }
            });
        }
        for (TestThread &thread : threads) {
            thread.join();
        }
        CPPUNIT_ASSERT_EQUAL(4, succeeded.load());
    }

    void testAnEnvironmentOverTheLimitIsRefused() {
        auto request = SpawnManagerTest::request();
        request.environment["LARGE"] = std::string(Frame::MAX_SIZE, 'x');
        const auto e = thrownBy<SpawnException>([&] { manager_->start(request, soon()); });
        CPPUNIT_ASSERT(std::string(e.what()).find("environment is too large") != std::string::npos);
        startOne();
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SpawnManagerTest);

}  // namespace Passenger
