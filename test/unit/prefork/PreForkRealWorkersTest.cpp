#include <cppunit/extensions/HelperMacros.h>
#include <sys/resource.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "base/SystemClock.h"
#include "prefork/TcpServer.h"
#include "support/PreForkProcesses.h"

namespace Passenger {

using namespace std::chrono_literals;

/** The rules of POE's PreFork with real workers. PreForkTest and others test them with fakes. */
class PreForkRealWorkersTest : public PreForkProcesses {
    CPPUNIT_TEST_SUITE(PreForkRealWorkersTest);
    CPPUNIT_TEST(testAStoppedFreeWorkerIsReplaced);
    CPPUNIT_TEST(testTheOldestFreeWorkersEndAsSurplus);
    CPPUNIT_TEST(testAllStartServersStartAgainAfterAllWorkersDied);
    CPPUNIT_TEST(testNoMoreThanMaxClientsWorkersRun);
    CPPUNIT_TEST(testAWorkerIsAChildAndItsShutdownEndsNoOtherWorker);
    CPPUNIT_TEST(testTheSnapshotOfABusyWorkerHasItsLastAckAndStartTime);
    CPPUNIT_TEST(testAFailedForkIsReportedWithItsReasonAndTriedAgain);
    CPPUNIT_TEST(testAForkWithoutAFreeNumberForItsPidFdIsReportedAndTriedAgain);
    CPPUNIT_TEST(testAFailedForkEndsAllWorkers);
    CPPUNIT_TEST_SUITE_END();

    /** What a worker is told about itself. */
    class Telling final : public PreFork {
    public:
        using PreFork::PreFork;

    protected:
        void serverStart() override {
            std::printf("a worker starts\n");
            std::fflush(stdout);
            PreFork::serverStart();
        }
    };

    /** The process that forks the workers. */
    pid_t forkServer() { return parentOf(*pids().begin()); }
    static bool sleeps(pid_t pid) {
        std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
        std::string number;
        std::string name;
        std::string state;
        return file >> number >> name >> state && state == "S";
    }
    /** From now on the process can open so many descriptors, and no more. */
    static rlimit leaveRoomFor(pid_t pid, std::size_t descriptors) {
        // Until then it may hold some of a birth or a death.
        CPPUNIT_ASSERT(eventually([&] { return sleeps(pid); }));
        std::set<unsigned long> taken;
        for (const auto &entry : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) {
            taken.insert(std::stoul(entry.path().filename()));
        }
        rlimit before{};
        CPPUNIT_ASSERT_EQUAL(0, ::prlimit(pid, RLIMIT_NOFILE, nullptr, &before));
        rlim_t limit = 0;
        for (std::size_t free = 0; free < descriptors || taken.contains(limit); limit++) {
            free += taken.contains(limit) ? 0 : 1;
        }
        const rlimit now{limit, before.rlim_max};
        CPPUNIT_ASSERT_EQUAL(0, ::prlimit(pid, RLIMIT_NOFILE, &now, nullptr));
        return before;
    }
    static void killAll(const std::set<pid_t> &workers) {
        for (const pid_t pid : workers) {
            ::kill(pid, SIGKILL);
        }
    }
    /** Where the fork server has so many numbers left. */
    void assertToldAndTriedAgain(std::size_t descriptors) {
        settings_.limits = {1, 1, 1, 4};
        settings_.shutdownOnError = false;
        begin();
        const pid_t nurse = forkServer();
        const rlimit before = leaveRoomFor(nurse, descriptors);
        killAll(pids());
        CPPUNIT_ASSERT(eventually(
            [&] { return log_->contains("event=prefork.fork_failed error=\"fork: Too many open files\""); }));
        ::prlimit(nurse, RLIMIT_NOFILE, &before, nullptr);
        CPPUNIT_ASSERT(eventually([this] { return counts().free == 1; }));
        CPPUNIT_ASSERT(served());
        // What could not be held has ended.
        CPPUNIT_ASSERT(eventually([] { return descendantsOf(::getpid()).size() == 2; }));
    }

public:
    void testAStoppedFreeWorkerIsReplaced() {
        settings_.timeout = 300ms;
        settings_.grace = 100ms;
        begin();
        const pid_t stopped = *pids().begin();
        ::kill(stopped, SIGSTOP);
        CPPUNIT_ASSERT(eventually([&] { return !runs(stopped); }));
        CPPUNIT_ASSERT(log_->contains("event=prefork.timeout pid=" + std::to_string(stopped) + " state=free"));
        CPPUNIT_ASSERT(eventually([&] { return counts().free == 2 && !pids().contains(stopped); }));
    }

    void testTheOldestFreeWorkersEndAsSurplus() {
        settings_.limits = {4, 1, 4, 10};
        settings_.surplusTime = 10ms;
        begin();
        std::vector<pid_t> byAge;
        for (const auto &[id, pid] : ask([](PreFork &preFork) { return preFork.idToPid(); })) {
            byAge.push_back(pid);
        }
        loop_->runSync([this] { preFork_->setMaxSpareServers(2); });
        CPPUNIT_ASSERT(eventually([&] { return !runs(byAge[0]) && !runs(byAge[1]); }));
        // The monitor learns of their ends a moment later.
        CPPUNIT_ASSERT(eventually([&] { return pids() == std::set<pid_t>{byAge[2], byAge[3]}; }));
    }

    void testAllStartServersStartAgainAfterAllWorkersDied() {
        settings_.limits = {3, 1, 3, 10};
        begin();
        const auto before = pids();
        // One that is left would be enough.
        killAll(before);
        CPPUNIT_ASSERT(eventually([&] {
            const auto now = pids();
            return counts().free == 3 &&
                   std::none_of(now.begin(), now.end(), [&](pid_t pid) { return before.contains(pid); });
        }));
    }

    void testNoMoreThanMaxClientsWorkersRun() {
        settings_.limits = {1, 1, 1, 3};
        begin();
        std::vector<FileDescriptor> held;
        for (unsigned i = 0; i < 5; i++) {
            held.push_back(connect("hold"));
            const unsigned busy = std::min(i + 1, 3U);
            CPPUNIT_ASSERT(eventually([&] { return counts().busy == busy && counts().starting == 0; }));
            CPPUNIT_ASSERT(pids().size() <= 3 && descendantsOf(::getpid()).size() <= 4);
        }
        // The connections that waited have their turn.
        for (const auto &connection : held) {
            answer(connection.get(), "\n");
        }
        for (const auto &connection : held) {
            CPPUNIT_ASSERT_EQUAL(std::string("held"), readLine(connection.get()));
        }
    }

    void testAWorkerIsAChildAndItsShutdownEndsNoOtherWorker() {
        tcp_ = std::make_shared<TcpServer>("127.0.0.1", 0, [this](FileDescriptor connection) {
            preFork_->shutdown();
            answer(connection.get(), preFork_->isChild() && preFork_->idToPid().empty() ? "a child\n" : "no child\n");
        });
        settings_.server = tcp_;
        // So that nobody comes or goes when one of them is busy.
        settings_.limits = {2, 1, 3, 10};
        preFork_ = std::make_unique<Telling>(settings_, std::make_unique<ForkLauncher>());
        preFork_->start();
        loop_ = std::make_unique<EventLoop>();
        preFork_->run(*loop_);
        CPPUNIT_ASSERT(eventually([this] { return counts().free == 2; }));
        const auto before = pids();
        CPPUNIT_ASSERT_EQUAL(std::string("a child"), request(""));
        CPPUNIT_ASSERT(!preFork_->isChild());
        for (const pid_t pid : before) {
            CPPUNIT_ASSERT(
                eventually([&] { return output_->contains(std::to_string(pid) + " STDOUT: a worker starts\n"); }));
        }
        // While both are busy there is no spare one, and a third would start.
        CPPUNIT_ASSERT(eventually([this] { return counts().free == 2; }));
        CPPUNIT_ASSERT_EQUAL(std::string("a child"), request(""));
        CPPUNIT_ASSERT(pids() == before);
    }

    void testTheSnapshotOfABusyWorkerHasItsLastAckAndStartTime() {
        begin();
        const MonotonicTime before = SystemClock::instance().now();
        const FileDescriptor connection = connect("hold");
        CPPUNIT_ASSERT(eventually([this] { return counts().busy == 1; }));
        const auto busy = ask([](PreFork &preFork) { return preFork.busyServers(); });
        const auto &[pid, worker] = *busy.begin();
        CPPUNIT_ASSERT_EQUAL(pid, worker.pid);
        CPPUNIT_ASSERT(worker.ready && worker.startTime <= worker.lastAck && worker.startTime < before);
        CPPUNIT_ASSERT_EQUAL(pid, ask([](PreFork &preFork) { return preFork.idToPid(); }).at(worker.id));
    }

    void testAFailedForkIsReportedWithItsReasonAndTriedAgain() {
        // There is no number for one of the worker's outputs.
        assertToldAndTriedAgain(1);
    }

    void testAForkWithoutAFreeNumberForItsPidFdIsReportedAndTriedAgain() {
        // Both outputs have theirs; there is none for its pidfd.
        assertToldAndTriedAgain(2);
    }

    void testAFailedForkEndsAllWorkers() {
        settings_.limits = {2, 2, 2, 4};
        begin();
        leaveRoomFor(forkServer(), 0);
        ::kill(*pids().begin(), SIGKILL);
        CPPUNIT_ASSERT_EQUAL(std::string("A worker could not be started: fork: Too many open files"),
                             preFork_->waitForEnd());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PreForkRealWorkersTest);

}  // namespace Passenger
