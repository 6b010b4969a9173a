#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "base/SystemClock.h"
#include "prefork/TcpServer.h"
#include "prefork/UnixServer.h"
#include "support/Expect.h"
#include "support/PreForkProcesses.h"

namespace Passenger {

using namespace std::chrono_literals;

/** With real workers. */
class PreForkProcessTest : public PreForkProcesses {
    CPPUNIT_TEST_SUITE(PreForkProcessTest);
    CPPUNIT_TEST(testWorkersServeTheSocketOfTheMonitor);
    CPPUNIT_TEST(testAClientThatConnectsBeforeTheFirstWorkerIsServed);
    CPPUNIT_TEST(testWorkersServeAUnixSocketToo);
    CPPUNIT_TEST(testAWorkerThatServesIsBusyAndASpareWorkerStarts);
    CPPUNIT_TEST(testSurplusWorkersEnd);
    CPPUNIT_TEST(testABlockedWorkerIsReplaced);
    CPPUNIT_TEST(testIdleWorkersAreNotReplacedAsBlocked);
    CPPUNIT_TEST(testAWorkerThatCrashesIsReplaced);
    CPPUNIT_TEST(testTheOutputOfAWorkerIsForwardedWithItsPid);
    CPPUNIT_TEST(testAnErrorInAConnectionEndsTheConnectionOnly);
    CPPUNIT_TEST(testARequestInFlightIsFinishedAtShutdown);
    CPPUNIT_TEST(testAtShutdownABlockedWorkerIsKilledAfterTheGrace);
    CPPUNIT_TEST(testARestartReplacesTheProcesses);
    CPPUNIT_TEST(testWorkersThatExitAgainAndAgainAreNoForkBomb);
    CPPUNIT_TEST(testTheMonitorEndsWithAReasonIfItsForkServerIsKilled);
    CPPUNIT_TEST(testAProcessWithASecondThreadCannotStartWorkers);
    CPPUNIT_TEST(testAPortInUseIsNamed);
    CPPUNIT_TEST(testWhenTheMonitorIsKilledNoWorkerIsLeft);
    CPPUNIT_TEST_SUITE_END();

public:
    void testWorkersServeTheSocketOfTheMonitor() {
        begin();
        const pid_t pid = std::stoi(request("pid"));
        CPPUNIT_ASSERT(pids().contains(pid));
        CPPUNIT_ASSERT(pid != ::getpid());
    }

    void testAClientThatConnectsBeforeTheFirstWorkerIsServed() {
        tcp_ = std::make_shared<TcpServer>("127.0.0.1", 0, serve);
        settings_.server = tcp_;
        preFork_ = std::make_unique<PreFork>(settings_, std::make_unique<ForkLauncher>());
        preFork_->start();
        // It listens, and accepts nobody.
        const FileDescriptor early = connect("pid");
        pollfd answer{early.get(), POLLIN, 0};
        CPPUNIT_ASSERT_EQUAL(0, ::poll(&answer, 1, 50));
        loop_ = std::make_unique<EventLoop>();
        preFork_->run(*loop_);
        CPPUNIT_ASSERT(pids().contains(std::stoi(readLine(early.get()))));
    }

    void testWorkersServeAUnixSocketToo() {
        const std::string path = "/tmp/passenger.prefork." + std::to_string(::getpid());
        settings_.server = std::make_shared<UnixServer>(path, serve);
        begin(std::make_unique<ForkLauncher>());
        CPPUNIT_ASSERT(eventually([this] { return counts().free == 2; }));
        const FileDescriptor held = connectTo(path, "hold");
        CPPUNIT_ASSERT(eventually([this] { return counts().busy == 1 && counts().free == 2; }));
        const pid_t pid = std::stoi(readLine(connectTo(path, "pid").get()));
        CPPUNIT_ASSERT(eventually([this] { return counts().busy == 1; }));
        CPPUNIT_ASSERT(pids().contains(pid) && pid != busyPid());
        answer(held.get(), "\n");
        CPPUNIT_ASSERT_EQUAL(std::string("held"), readLine(held.get()));
        // A worker's end leaves the socket's file, and the monitor's does not.
        static_cast<void>(readLine(connectTo(path, "exit").get()));
        CPPUNIT_ASSERT(eventually([this] { return log_->contains("event=prefork.worker_died"); }));
        CPPUNIT_ASSERT(std::filesystem::exists(path));
        CPPUNIT_ASSERT(pids().contains(std::stoi(readLine(connectTo(path, "pid").get()))));
        end();
        CPPUNIT_ASSERT(!std::filesystem::exists(path));
    }

    void testAWorkerThatServesIsBusyAndASpareWorkerStarts() {
        begin();
        const FileDescriptor one = connect("hold");
        const FileDescriptor two = connect("hold");
        CPPUNIT_ASSERT(eventually([this] { return counts().busy == 2 && counts().free == 2; }));
        answer(one.get(), "\n");
        CPPUNIT_ASSERT_EQUAL(std::string("held"), readLine(one.get()));
        CPPUNIT_ASSERT(eventually([this] { return counts().busy == 1; }));
        answer(two.get(), "\n");
        CPPUNIT_ASSERT_EQUAL(std::string("held"), readLine(two.get()));
    }

    void testSurplusWorkersEnd() {
        settings_.limits = {4, 1, 1, 10};
        settings_.surplusTime = 10ms;
        tcp_ = std::make_shared<TcpServer>("127.0.0.1", 0, serve);
        settings_.server = tcp_;
        begin(std::make_unique<ForkLauncher>());
        CPPUNIT_ASSERT(eventually([this] {
            return counts().free == 1 && ask([](PreFork &preFork) { return preFork.endingServers(); }) == 0;
        }));
        CPPUNIT_ASSERT(!log_->contains("event=prefork.worker_killed"));
    }

    void testABlockedWorkerIsReplaced() {
        settings_.timeout = 300ms;
        settings_.grace = 100ms;
        begin();
        FileDescriptor connection;
        const pid_t blocked = block(connection);
        CPPUNIT_ASSERT(eventually([&] { return !runs(blocked); }));
        CPPUNIT_ASSERT(
            eventually([&] { return log_->contains("event=prefork.worker_killed pid=" + std::to_string(blocked)); }));
        // The client is told by the end of the connection.
        CPPUNIT_ASSERT_EQUAL(std::string(), readLine(connection.get()));
        CPPUNIT_ASSERT(eventually([this] { return counts().free == 2; }));
        CPPUNIT_ASSERT(served());
    }

    /** @return whether all workers live on, for several times the time-out */
    bool allWaitFor(std::chrono::milliseconds timeout) {
        settings_.timeout = timeout;
        begin();
        const auto before = pids();
        const auto begun = SystemClock::instance().now();
        const bool all = eventually([&] {
            const auto free = ask([](PreFork &preFork) { return preFork.freeServers(); });
            return pids() != before ||
                   (free.size() == before.size() && std::all_of(free.begin(), free.end(), [&](const auto &each) {
                        return each.second.lastAck > begun + timeout * 10 / 3;
                    }));
        });
        CPPUNIT_ASSERT_MESSAGE("They give signs of life", all);
        const bool same = pids() == before;
        end();
        return same;
    }

    void testIdleWorkersAreNotReplacedAsBlocked() {
        // A machine that is busy may keep one from giving its sign in time.
        CPPUNIT_ASSERT(allWaitFor(300ms) || allWaitFor(1s) || allWaitFor(4s));
    }

    void testAWorkerThatCrashesIsReplaced() {
        begin();
        const auto before = pids();
        CPPUNIT_ASSERT_EQUAL(std::string(), request("crash"));
        CPPUNIT_ASSERT(eventually([&] { return counts().free == 2 && pids() != before; }));
        CPPUNIT_ASSERT(eventually([this] { return log_->contains("killed by signal 11"); }));
    }

    void testTheOutputOfAWorkerIsForwardedWithItsPid() {
        settings_.limits = {1, 1, 1, 1};
        begin();
        const std::string pid = std::to_string(*pids().begin());
        CPPUNIT_ASSERT_EQUAL(std::string("printed"), request("print"));
        CPPUNIT_ASSERT(eventually([&] { return log_->contains(pid + " STDERR: three\n"); }));
        end();
        CPPUNIT_ASSERT_EQUAL(pid + " STDOUT: one\n" + pid + " STDOUT: two without an end\n", output_->text());
    }

    void testAnErrorInAConnectionEndsTheConnectionOnly() {
        settings_.limits = {1, 1, 1, 1};
        begin();
        const pid_t pid = *pids().begin();
        CPPUNIT_ASSERT_EQUAL(std::string(), request("throw"));
        CPPUNIT_ASSERT_EQUAL(std::to_string(pid), request("pid"));
        CPPUNIT_ASSERT(
            eventually([&] { return log_->contains("STDERR: A connection ended with an error: broken wish"); }));
    }

    void testARequestInFlightIsFinishedAtShutdown() {
        begin();
        const FileDescriptor connection = connect("hold");
        CPPUNIT_ASSERT(eventually([this] { return counts().busy == 1; }));
        loop_->runSync([this] { preFork_->shutdown(); });
        answer(connection.get(), "\n");
        CPPUNIT_ASSERT_EQUAL(std::string("held"), readLine(connection.get()));
        preFork_->waitForEnd();
        CPPUNIT_ASSERT(!log_->contains("event=prefork.worker_killed"));
    }

    void testAtShutdownABlockedWorkerIsKilledAfterTheGrace() {
        // On a machine that is busy the other ones may need longer, too.
        CPPUNIT_ASSERT(onlyTheBlockedOneIsKilledAfter(50ms) || onlyTheBlockedOneIsKilledAfter(1s) ||
                       onlyTheBlockedOneIsKilledAfter(10s));
    }

    bool onlyTheBlockedOneIsKilledAfter(std::chrono::milliseconds grace) {
        settings_.grace = grace;
        begin();
        FileDescriptor connection;
        const pid_t blocked = block(connection);
        const unsigned before = log_->count("event=prefork.worker_killed");
        const auto workers = pids();
        end();
        for (const pid_t pid : workers) {
            CPPUNIT_ASSERT(!runs(pid));
        }
        CPPUNIT_ASSERT(log_->contains("event=prefork.worker_killed pid=" + std::to_string(blocked)));
        return log_->count("event=prefork.worker_killed") == before + 1;
    }

    void testARestartReplacesTheProcesses() {
        begin();
        const auto before = pids();
        loop_->runSync([this] { preFork_->restartServers(); });
        CPPUNIT_ASSERT(eventually([this] { return !ask([](PreFork &preFork) { return preFork.restarting(); }); }));
        for (const pid_t pid : pids()) {
            CPPUNIT_ASSERT(!before.contains(pid));
        }
        CPPUNIT_ASSERT(served());
    }

    void testWorkersThatExitAgainAndAgainAreNoForkBomb() {
        begin();
        for (int i = 0; i < 6; i++) {
            static_cast<void>(request("exit"));
        }
        CPPUNIT_ASSERT(eventually([this] { return log_->count("event=prefork.worker_died") == 6; }));
        // They come back later.
        CPPUNIT_ASSERT(eventually([this] { return counts().free == 2; }));
    }

    void testTheMonitorEndsWithAReasonIfItsForkServerIsKilled() {
        begin();
        const auto workers = pids();
        pid_t forkServer = 0;
        for (const pid_t pid : descendantsOf(::getpid())) {
            forkServer = workers.contains(pid) ? forkServer : pid;
        }
        ::kill(forkServer, SIGKILL);
        const std::string reason = preFork_->waitForEnd();
        CPPUNIT_ASSERT_MESSAGE(reason, reason.starts_with("The fork server was killed by signal 9"));
        for (const pid_t pid : workers) {
            CPPUNIT_ASSERT(eventually([pid] { return !runs(pid); }));
        }
    }

    void testAProcessWithASecondThreadCannotStartWorkers() {
        tcp_ = std::make_shared<TcpServer>("127.0.0.1", 0, serve);
        settings_.server = tcp_;
        const EventLoop loop;
        PreFork preFork(settings_, std::make_unique<ForkLauncher>());
        const std::string error = thrownBy<std::logic_error>([&] { preFork.start(); }).what();
        CPPUNIT_ASSERT(error.find("before the process starts another thread") != std::string::npos);
    }

    void testAPortInUseIsNamed() {
        begin();
        PreForkSettings other;
        const auto port = tcp_->port();
        other.server = std::make_shared<TcpServer>("127.0.0.1", port, serve);
        PreFork preFork(other, std::make_unique<ForkLauncher>());
        const std::string error = thrownBy<SystemException>([&] { preFork.start(); }).what();
        CPPUNIT_ASSERT_EQUAL("Listening on 127.0.0.1:" + std::to_string(port) + ": Address already in use", error);
    }

    void testWhenTheMonitorIsKilledNoWorkerIsLeft() {
        const ForkedMonitor monitor([this] {
            begin();
            // One of them is blocked, and hears of nothing but the kernel's signal.
            const FileDescriptor connection = connect("block");
            ::poll(nullptr, 0, -1);
        });
        std::vector<pid_t> below;
        CPPUNIT_ASSERT(eventually([&] { return (below = descendantsOf(monitor.pid())).size() == 4; }));
        monitor.kill();
        for (const pid_t pid : below) {
            CPPUNIT_ASSERT(eventually([pid] { return !runs(pid); }));
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PreForkProcessTest);

}  // namespace Passenger
