#include <cppunit/extensions/HelperMacros.h>

#include <cerrno>
#include <string>
#include <vector>

#include "prefork/PreFork.h"
#include "support/Expect.h"
#include "support/PreForkFixture.h"

namespace Passenger {

using namespace std::chrono_literals;

/** How workers are ended, how all of it ends, and what happens when they end by themselves. */
class PreForkEndingTest : public PreForkFixture {
    CPPUNIT_TEST_SUITE(PreForkEndingTest);
    CPPUNIT_TEST(testTheCheckRunsEveryOneAndAHalfTimeouts);
    CPPUNIT_TEST(testAWorkerWithoutAcksIsInterruptedAndReplacedAtOnce);
    CPPUNIT_TEST(testAWorkerThatSendsAcksIsNotInterrupted);
    CPPUNIT_TEST(testAWorkerThatReportsBusyAndFreeIsNotInterrupted);
    CPPUNIT_TEST(testWithoutATimeoutNoWorkerIsInterrupted);
    CPPUNIT_TEST(testAPauseOfTheMonitorInterruptsNoWorker);
    CPPUNIT_TEST(testAWorkerThatIgnoresTheInterruptIsKilledAfterTheGrace);
    CPPUNIT_TEST(testMessagesOfAnEndingWorkerAreIgnored);
    CPPUNIT_TEST(testAStartMayTakeLongerThanTheTimeout);
    CPPUNIT_TEST(testAWorkerThatStartsForTooLongIsInterrupted);
    CPPUNIT_TEST(testShutdownInterruptsAllWorkersAndWaits);
    CPPUNIT_TEST(testShutdownKillsWorkersAfterTheGrace);
    CPPUNIT_TEST(testNoWorkerStartsAfterShutdown);
    CPPUNIT_TEST(testShutdownWithoutWorkersIsOverAtOnce);
    CPPUNIT_TEST(testShutdownInAWorkerSignalsNoOtherWorker);
    CPPUNIT_TEST(testAWorkerResumesAcceptingAfterItsStart);
    CPPUNIT_TEST(testAFailedForkEndsAllWorkers);
    CPPUNIT_TEST(testAFailedForkIsTriedAgainAfterGrowingPauses);
    CPPUNIT_TEST(testWorkersThatDieAtOnceAreNoForkBomb);
    CPPUNIT_TEST(testWorkersThatDieBeforeTheyAreReadyAreNoForkBomb);
    CPPUNIT_TEST(testWorkersThatHaveWorkedAreReplacedAtOnceHoweverOftenTheyDie);
    CPPUNIT_TEST(testAllWorkersReturnAfterFailures);
    CPPUNIT_TEST(testAServerThatDoesNotStartEndsTheMonitor);
    CPPUNIT_TEST(testALauncherThatEndsEndsTheMonitor);
    CPPUNIT_TEST_SUITE_END();

    void beginWithTimeout() {
        settings_.timeout = 10s;
        settings_.limits = {2, 2, 2, 50};
        begin();
    }
    /**
     * Each new worker dies at once, after `sign` if that is given. @return how many were started
     */
    unsigned startedInAMinute(std::string_view sign) {
        settings_.limits = {5, 5, 5, 50};
        make();
        preFork_->start();
        preFork_->begin();
        const auto until = clock_.now() + 60s;
        while (clock_.now() < until) {
            for (const WorkerId id : starting()) {
                if (!sign.empty()) {
                    say(id, sign);
                }
                die(id, 256);
            }
            CPPUNIT_ASSERT(launcher_->launches < 1000);
            if (starting().empty()) {
                pass(10ms);
            }
        }
        return launcher_->launches;
    }

public:
    void testTheCheckRunsEveryOneAndAHalfTimeouts() {
        beginWithTimeout();
        CPPUNIT_ASSERT(preFork_->serverCheckAck() == 15s);
        CPPUNIT_ASSERT(preFork_->nextAlarm() == clock_.now() + 15s);
        passWithAcks(15s);
        CPPUNIT_ASSERT(preFork_->nextAlarm() == clock_.now() + 15s);
    }

    void testAWorkerWithoutAcksIsInterruptedAndReplacedAtOnce() {
        beginWithTimeout();
        const auto ids = idsOf(preFork_->freeServers());
        say(ids[1], COMM_BUSY);
        allReady();
        // The third one, which replaced the second, lives.
        const WorkerId third = idsOf(preFork_->freeServers()).at(1);
        pass(14s);
        say(third, COMM_ACK);
        CPPUNIT_ASSERT(launcher_->all(SIGINT).empty());
        pass(1s);
        CPPUNIT_ASSERT((launcher_->all(SIGINT) == std::vector<WorkerId>{ids[0], ids[1]}));
        CPPUNIT_ASSERT(log_->contains("event=prefork.timeout pid=1001 state=free"));
        CPPUNIT_ASSERT(log_->contains("event=prefork.timeout pid=1002 state=busy"));
        assertCounts(1, 0, 1);
    }

    void testAWorkerThatSendsAcksIsNotInterrupted() {
        beginWithTimeout();
        passWithAcks(10min, 10s);
        CPPUNIT_ASSERT(launcher_->all(SIGINT).empty());
    }

    void testAWorkerThatReportsBusyAndFreeIsNotInterrupted() {
        settings_.timeout = 10s;
        settings_.limits = {2, 2, 2, 2};
        begin();
        for (int i = 0; i < 50; i++) {
            for (const auto &[id, pid] : preFork_->idToPid()) {
                say(id, i % 2 == 0 ? COMM_BUSY : COMM_NOT_BUSY);
            }
            pass(8s);
        }
        CPPUNIT_ASSERT(launcher_->all(SIGINT).empty());
    }

    void testWithoutATimeoutNoWorkerIsInterrupted() {
        settings_.limits = {2, 2, 2, 50};
        begin();
        CPPUNIT_ASSERT(!preFork_->nextAlarm());
        pass(24h);
        CPPUNIT_ASSERT(launcher_->all(SIGINT).empty());
    }

    void testAPauseOfTheMonitorInterruptsNoWorker() {
        beginWithTimeout();
        clock_.advance(1h);
        preFork_->runAlarms();
        CPPUNIT_ASSERT(launcher_->all(SIGINT).empty());
    }

    void testAWorkerThatIgnoresTheInterruptIsKilledAfterTheGrace() {
        beginWithTimeout();
        const WorkerId id = oldestFree();
        pass(15s);
        CPPUNIT_ASSERT(launcher_->told(id, SIGINT));
        pass(settings_.grace - 1ms);
        CPPUNIT_ASSERT(!launcher_->told(id, SIGKILL));
        pass(1ms);
        CPPUNIT_ASSERT(launcher_->told(id, SIGKILL));
        CPPUNIT_ASSERT(log_->contains("event=prefork.worker_killed pid=1001"));
        obey(SIGKILL);
        CPPUNIT_ASSERT(!launcher_->processes.contains(id));
    }

    void testMessagesOfAnEndingWorkerAreIgnored() {
        begin();
        const WorkerId id = oldestFree();
        pass(1s);
        CPPUNIT_ASSERT(launcher_->told(id, SIGINT));
        assertCounts(2, 0, 0);
        say(id, COMM_BUSY);
        say(id, COMM_ACK);
        say(id, COMM_NOT_BUSY);
        assertCounts(2, 0, 0);
    }

    void testAStartMayTakeLongerThanTheTimeout() {
        settings_.timeout = 10s;
        settings_.startTimeout = 60s;
        settings_.limits = {2, 2, 2, 50};
        make();
        preFork_->start();
        preFork_->begin();
        pass(59s);
        CPPUNIT_ASSERT(launcher_->all(SIGINT).empty());
        allReady();
        passWithAcks(60s);
        CPPUNIT_ASSERT(launcher_->all(SIGINT).empty());
        pass(30s);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, launcher_->all(SIGINT).size());
    }

    void testAWorkerThatStartsForTooLongIsInterrupted() {
        settings_.startTimeout = 60s;
        make();
        preFork_->start();
        preFork_->begin();
        pass(60s);
        CPPUNIT_ASSERT_EQUAL(std::size_t{5}, launcher_->all(SIGINT).size());
        CPPUNIT_ASSERT(log_->contains("state=starting"));
        // It is as if they had died: what never gets ready is not started as fast as possible.
        pass(100ms);
        CPPUNIT_ASSERT_EQUAL(6U, launcher_->launches);
    }

    void testShutdownInterruptsAllWorkersAndWaits() {
        begin();
        say(oldestFree(), COMM_BUSY);
        preFork_->shutdown();
        preFork_->shutdown();
        CPPUNIT_ASSERT_EQUAL(std::size_t{5}, launcher_->all(SIGINT).size());
        CPPUNIT_ASSERT(preFork_->shuttingDown());
        for (const auto &[id, process] : launcher_->processes) {
            CPPUNIT_ASSERT_EQUAL(std::size_t{1}, process.signals.size());
        }
        obey();
        CPPUNIT_ASSERT_EQUAL(std::string(), preFork_->waitForEnd());
    }

    void testShutdownKillsWorkersAfterTheGrace() {
        begin();
        preFork_->shutdown();
        pass(settings_.grace);
        CPPUNIT_ASSERT_EQUAL(std::size_t{5}, launcher_->all(SIGKILL).size());
        CPPUNIT_ASSERT(!preFork_->nextAlarm());
        obey(SIGKILL);
        preFork_->waitForEnd();
    }

    void testNoWorkerStartsAfterShutdown() {
        settings_.timeout = 10s;
        begin();
        preFork_->shutdown();
        preFork_->setLimits({9, 9, 9, 50});
        preFork_->restartServers();
        obey();
        pass(1h);
        CPPUNIT_ASSERT_EQUAL(5U, launcher_->launches);
        CPPUNIT_ASSERT(!preFork_->nextAlarm());
    }

    void testShutdownWithoutWorkersIsOverAtOnce() {
        make();
        preFork_->start();
        preFork_->shutdown();
        CPPUNIT_ASSERT_EQUAL(std::string(), preFork_->waitForEnd());
    }

    void testShutdownInAWorkerSignalsNoOtherWorker() {
        begin();
        const auto processes = launcher_->processes;
        launcher_->work();
        CPPUNIT_ASSERT(preFork_->isChild());
        CPPUNIT_ASSERT(preFork_->freeServers().empty());
        CPPUNIT_ASSERT(preFork_->idToPid().empty());
        for (const auto &[id, process] : launcher_->processes) {
            CPPUNIT_ASSERT(process.forgotten && process.signals.empty());
        }
    }

    void testAWorkerResumesAcceptingAfterItsStart() {
        begin();
        CPPUNIT_ASSERT(!preFork_->isChild());
        launcher_->work();
        CPPUNIT_ASSERT((server_->calls == std::vector<std::string>{"sendAck", "start", "resumeAccept"}));
    }

    void testAFailedForkEndsAllWorkers() {
        begin();
        launcher_->error = EAGAIN;
        pass(10s);
        obey();
        die(oldestFree());
        die(oldestFree());
        CPPUNIT_ASSERT(preFork_->shuttingDown());
        obey();
        CPPUNIT_ASSERT_EQUAL(std::string("A worker could not be started: fork: Resource temporarily unavailable"),
                             preFork_->waitForEnd());
    }

    void testAFailedForkIsTriedAgainAfterGrowingPauses() {
        settings_.shutdownOnError = false;
        make();
        launcher_->error = EAGAIN;
        preFork_->start();
        preFork_->begin();
        CPPUNIT_ASSERT_EQUAL(1U, launcher_->launches);
        pass(60s);
        CPPUNIT_ASSERT(launcher_->launches > 8 && launcher_->launches < 15);
        CPPUNIT_ASSERT(!preFork_->shuttingDown());
        launcher_->error = 0;
        pass(10s);
        CPPUNIT_ASSERT(living() > 0);
    }

    void testWorkersThatDieAtOnceAreNoForkBomb() {
        const unsigned started = startedInAMinute(COMM_ACK);
        CPPUNIT_ASSERT_MESSAGE(std::to_string(started), started >= 10 && started < 40);
    }

    void testWorkersThatDieBeforeTheyAreReadyAreNoForkBomb() {
        const unsigned started = startedInAMinute("");
        CPPUNIT_ASSERT_MESSAGE(std::to_string(started), started >= 10 && started < 40);
    }

    void testWorkersThatHaveWorkedAreReplacedAtOnceHoweverOftenTheyDie() {
        settings_.limits = {4, 4, 4, 4};
        begin();
        for (int i = 0; i < 100; i++) {
            const WorkerId id = oldestFree();
            say(id, COMM_BUSY);
            say(id, COMM_NOT_BUSY);
            pass(200ms);
            die(id, SIGKILL);
            allReady();
            assertCounts(4, 0, 0);
        }
    }

    void testAllWorkersReturnAfterFailures() {
        startedInAMinute("");
        for (int i = 0; i < 20; i++) {
            pass(1s);
            allReady();
        }
        assertCounts(5, 0, 0);
    }

    void testAServerThatDoesNotStartEndsTheMonitor() {
        server_->problem = "port 80 is taken";
        make();
        CPPUNIT_ASSERT_EQUAL(std::string("port 80 is taken"),
                             std::string(thrownBy<IOException>([&] { preFork_->start(); }).what()));
        CPPUNIT_ASSERT_EQUAL(std::string("port 80 is taken"), preFork_->waitForEnd());
        CPPUNIT_ASSERT_EQUAL(0U, living());
    }

    void testALauncherThatEndsEndsTheMonitor() {
        begin();
        preFork_->listener().launcherEnded("the fork server ended");
        obey();
        CPPUNIT_ASSERT_EQUAL(std::string("the fork server ended"), preFork_->waitForEnd());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PreForkEndingTest);

}  // namespace Passenger
