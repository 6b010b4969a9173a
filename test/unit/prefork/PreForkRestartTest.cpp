#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <string>
#include <vector>

#include "prefork/PreFork.h"
#include "support/PreForkFixture.h"

namespace Passenger {

using namespace std::chrono_literals;

/** restartServers() */
class PreForkRestartTest : public PreForkFixture {
    CPPUNIT_TEST_SUITE(PreForkRestartTest);
    CPPUNIT_TEST(testAnOldWorkerEndsWhenItsSuccessorIsReady);
    CPPUNIT_TEST(testARestartReplacesAllWorkers);
    CPPUNIT_TEST(testANewWorkerThatEndsStopsTheRestart);
    CPPUNIT_TEST(testANewWorkerThatCannotBeStartedStopsOnlyTheRestart);
    CPPUNIT_TEST(testANewWorkerThatStartsForTooLongStopsTheRestart);
    CPPUNIT_TEST(testARestartStartsMissingWorkersAtOnce);
    CPPUNIT_TEST(testBusyWorkersAreReplacedLast);
    CPPUNIT_TEST(testASecondRestartBeginsAnew);
    CPPUNIT_TEST(testRepeatedRestartsStartOneWorkerAtATime);
    CPPUNIT_TEST(testAnAbandonedNewWorkerThatBecomesReadyIsInterruptedAgain);
    CPPUNIT_TEST(testARestartExceedsMaxClientsByOneWorkerAtMost);
    CPPUNIT_TEST(testShutdownStopsTheRestart);
    CPPUNIT_TEST_SUITE_END();

    class Listening final : public PreFork {
    public:
        using PreFork::PreFork;
        std::vector<std::string> ends;

    private:
        void restartEnded(const std::string &problem) override { ends.push_back(problem); }
    };
    Listening *listening_ = nullptr;

    void beginWith(const SpareLimits &limits) {
        settings_.limits = limits;
        listening_ = &make<Listening>();
        preFork_->start();
        preFork_->begin();
        allReady();
    }

public:
    void testAnOldWorkerEndsWhenItsSuccessorIsReady() {
        beginWith({3, 3, 3, 50});
        preFork_->restartServers();
        CPPUNIT_ASSERT(preFork_->restarting());
        assertCounts(3, 0, 1);
        CPPUNIT_ASSERT(launcher_->all(SIGINT).empty());
        allReady();
        CPPUNIT_ASSERT((launcher_->all(SIGINT) == std::vector<WorkerId>{WorkerId(1)}));
        assertCounts(3, 0, 1);
    }

    void testARestartReplacesAllWorkers() {
        beginWith({3, 3, 3, 50});
        preFork_->restartServers();
        for (int i = 0; i < 3; i++) {
            allReady();
        }
        CPPUNIT_ASSERT(!preFork_->restarting());
        CPPUNIT_ASSERT((listening_->ends == std::vector<std::string>{""}));
        CPPUNIT_ASSERT(
            (idsOf(preFork_->freeServers()) == std::vector<WorkerId>{WorkerId(4), WorkerId(5), WorkerId(6)}));
        CPPUNIT_ASSERT_EQUAL(6U, launcher_->launches);
    }

    void testANewWorkerThatEndsStopsTheRestart() {
        beginWith({3, 3, 3, 50});
        preFork_->restartServers();
        die(starting().at(0), 256);
        CPPUNIT_ASSERT(!preFork_->restarting());
        CPPUNIT_ASSERT(
            (listening_->ends == std::vector<std::string>{"a new worker exited with status 1 before it was ready"}));
        pass(1h);
        assertCounts(3, 0, 0);
        CPPUNIT_ASSERT(launcher_->all(SIGINT).empty());
    }

    void testANewWorkerThatCannotBeStartedStopsOnlyTheRestart() {
        beginWith({3, 3, 3, 50});
        launcher_->error = EAGAIN;
        preFork_->restartServers();
        CPPUNIT_ASSERT(!preFork_->restarting() && !preFork_->shuttingDown());
        CPPUNIT_ASSERT_EQUAL(std::string("a new worker could not be started: fork: Resource temporarily unavailable"),
                             listening_->ends.at(0));
        assertCounts(3, 0, 0);
    }

    void testANewWorkerThatStartsForTooLongStopsTheRestart() {
        settings_.startTimeout = 60s;
        beginWith({3, 3, 3, 50});
        preFork_->restartServers();
        pass(60s);
        CPPUNIT_ASSERT_EQUAL(std::string("a new worker was not ready in time"), listening_->ends.at(0));
        assertCounts(3, 0, 0);
    }

    void testARestartStartsMissingWorkersAtOnce() {
        beginWith({2, 2, 2, 50});
        for (int i = 0; i < 20; i++) {
            for (const auto &[id, pid] : preFork_->idToPid()) {
                die(id, 256);
            }
            pass(1s);
        }
        for (const auto &[id, pid] : preFork_->idToPid()) {
            die(id, 256);
        }
        assertCounts(0, 0, 0);
        const unsigned before = launcher_->launches;
        preFork_->restartServers();
        assertCounts(0, 0, 2);
        allReady();
        CPPUNIT_ASSERT(!preFork_->restarting());
        CPPUNIT_ASSERT_EQUAL(before + 2, launcher_->launches);
    }

    void testBusyWorkersAreReplacedLast() {
        beginWith({2, 1, 1, 2});
        say(WorkerId(1), COMM_BUSY);
        preFork_->restartServers();
        allReady();
        CPPUNIT_ASSERT((launcher_->all(SIGINT) == std::vector<WorkerId>{WorkerId(2)}));
        allReady();
        CPPUNIT_ASSERT((launcher_->all(SIGINT) == std::vector<WorkerId>{WorkerId(1), WorkerId(2)}));
    }

    void testASecondRestartBeginsAnew() {
        beginWith({2, 2, 2, 50});
        preFork_->restartServers();
        preFork_->restartServers();
        for (int i = 0; i < 10 && preFork_->restarting(); i++) {
            allReady();
        }
        CPPUNIT_ASSERT(!preFork_->restarting());
        CPPUNIT_ASSERT((listening_->ends == std::vector<std::string>{""}));
        for (const WorkerId id : idsOf(preFork_->freeServers())) {
            CPPUNIT_ASSERT(id > WorkerId(3));
        }
    }

    void testRepeatedRestartsStartOneWorkerAtATime() {
        beginWith({2, 2, 2, 2});
        for (int i = 0; i < 20; i++) {
            preFork_->restartServers();
            assertCounts(2, 0, 1);
        }
        // The workers that were given up are told to end, and none that serves.
        CPPUNIT_ASSERT_EQUAL(std::size_t{19}, launcher_->all(SIGINT).size());
        CPPUNIT_ASSERT(listening_->ends.empty());
        obey();
        for (int i = 0; i < 2; i++) {
            allReady();
            obey();
        }
        CPPUNIT_ASSERT((listening_->ends == std::vector<std::string>{""}));
        assertCounts(2, 0, 0);
    }

    void testAnAbandonedNewWorkerThatBecomesReadyIsInterruptedAgain() {
        beginWith({2, 2, 2, 2});
        preFork_->restartServers();
        const WorkerId first = starting().at(0);
        preFork_->restartServers();
        const auto told = [&] {
            const auto &signals = launcher_->processes.at(first).signals;
            return std::count(signals.begin(), signals.end(), SIGINT);
        };
        CPPUNIT_ASSERT_EQUAL(std::ptrdiff_t{1}, told());
        say(first, COMM_NOT_BUSY);
        CPPUNIT_ASSERT_EQUAL(std::ptrdiff_t{2}, told());
        say(first, COMM_ACK);
        CPPUNIT_ASSERT_EQUAL(std::ptrdiff_t{2}, told());
        assertCounts(2, 0, 1);
    }

    void testARestartExceedsMaxClientsByOneWorkerAtMost() {
        beginWith({2, 1, 2, 2});
        preFork_->restartServers();
        for (int i = 0; i < 10 && preFork_->restarting(); i++) {
            const SpareCounts counts = preFork_->counts();
            CPPUNIT_ASSERT(counts.free + counts.busy + counts.starting <= 3);
            pass(10s);
            allReady();
        }
        assertCounts(2, 0, 0);
    }

    void testShutdownStopsTheRestart() {
        beginWith({2, 2, 2, 50});
        preFork_->restartServers();
        preFork_->shutdown();
        CPPUNIT_ASSERT(!preFork_->restarting());
        obey();
        preFork_->waitForEnd();
        CPPUNIT_ASSERT_EQUAL(0U, living());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PreForkRestartTest);

}  // namespace Passenger
