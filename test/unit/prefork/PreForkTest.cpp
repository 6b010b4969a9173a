#include "prefork/PreFork.h"

#include <cppunit/extensions/HelperMacros.h>

#include <cerrno>
#include <string>
#include <vector>

#include "support/Expect.h"
#include "support/PreForkFixture.h"

namespace Passenger {

using namespace std::chrono_literals;

class PreForkTest : public PreForkFixture {
    CPPUNIT_TEST_SUITE(PreForkTest);
    CPPUNIT_TEST(testTheDefaults);
    CPPUNIT_TEST(testAPreForkWithoutServerOrLauncherIsRefused);
    CPPUNIT_TEST(testSendAckComesBeforeTheServersStart);
    CPPUNIT_TEST(testWithoutATimeoutNoAcksAreAskedFor);
    CPPUNIT_TEST(testInvalidSettingsAreCorrectedAndLogged);
    CPPUNIT_TEST(testTimesThatAreTooShortOrTooLongAreCorrected);
    CPPUNIT_TEST(testStartServersIsCutToMaxClients);
    CPPUNIT_TEST(testTheMonitorBeginsWithStartServersWorkers);
    CPPUNIT_TEST(testAWorkerIsStartingUntilItsFirstMessage);
    CPPUNIT_TEST(testBusyAndNotBusyMessagesChangeTheStateOfAWorker);
    CPPUNIT_TEST(testASpareWorkerStartsWhenAWorkerBecomesBusy);
    CPPUNIT_TEST(testNoMoreThanMaxClientsWorkersRun);
    CPPUNIT_TEST(testTheOldestFreeWorkersEndAsSurplus);
    CPPUNIT_TEST(testAShortSurplusEndsNoWorker);
    CPPUNIT_TEST(testBusyWorkersAreNotEndedAsSurplus);
    CPPUNIT_TEST(testAnAckSetsTheLastAckAndNothingElse);
    CPPUNIT_TEST(testSnapshotsHaveThePidTheLastAckAndTheStartTime);
    CPPUNIT_TEST(testIdToPidHasAllWorkersExceptEndingWorkers);
    CPPUNIT_TEST(testAWorkerThatEndsIsReplaced);
    CPPUNIT_TEST(testMessagesOfUnknownWorkersAreIgnored);
    CPPUNIT_TEST(testLimitsMayChangeWhileWorkersRun);
    CPPUNIT_TEST(testEachAttributeCanBeSetAndRead);
    CPPUNIT_TEST(testTheServerCanBeReplacedOnlyBeforeTheStart);
    CPPUNIT_TEST(testLimitsSetBeforeTheStartStartNoWorker);
    CPPUNIT_TEST(testShutdownOnErrorMayChangeWhileWorkersRun);
    CPPUNIT_TEST(testTheTimeoutCannotBeSetAfterTheStart);
    CPPUNIT_TEST(testAMuteWorkerThatDoesNotEndIsInterrupted);
    CPPUNIT_TEST_SUITE_END();

public:
    void testTheDefaults() {
        const PreForkSettings settings;
        CPPUNIT_ASSERT(settings.shutdownOnError);
        CPPUNIT_ASSERT_EQUAL(1U, settings.limits.minSpare);
        CPPUNIT_ASSERT_EQUAL(2U, settings.limits.maxSpare);
        CPPUNIT_ASSERT_EQUAL(5U, settings.limits.start);
        CPPUNIT_ASSERT_EQUAL(50U, settings.limits.maxClients);
        CPPUNIT_ASSERT(settings.timeout == 0ms);
    }

    void testAPreForkWithoutServerOrLauncherIsRefused() {
        thrownBy<std::invalid_argument>([&] { PreFork(settings_, nullptr, clock_); });
        settings_.server.reset();
        thrownBy<std::invalid_argument>([&] { PreFork(settings_, std::make_unique<FakeLauncher>(), clock_); });
    }

    void testSendAckComesBeforeTheServersStart() {
        settings_.timeout = 9s;
        begin();
        CPPUNIT_ASSERT((server_->calls == std::vector<std::string>{"sendAck", "start"}));
        CPPUNIT_ASSERT(server_->interval == 3s);
    }

    void testWithoutATimeoutNoAcksAreAskedFor() {
        begin();
        CPPUNIT_ASSERT(server_->interval == 0s);
        CPPUNIT_ASSERT(preFork_->serverCheckAck() == 0s);
        CPPUNIT_ASSERT(!log_->contains("setting_mended"));
    }

    void testInvalidSettingsAreCorrectedAndLogged() {
        settings_.limits = {3, 4, 2, 10};
        settings_.timeout = -1s;
        begin();
        CPPUNIT_ASSERT((preFork_->limits() == SpareLimits{3, 4, 4, 10}));
        CPPUNIT_ASSERT(preFork_->timeout() == 0s);
        CPPUNIT_ASSERT(log_->contains("max_spare_servers 2 is less than min_spare_servers; 4 is used"));
        CPPUNIT_ASSERT(log_->contains("timeout -1000 ms is negative; 0 is used"));
    }

    void testTimesThatAreTooShortOrTooLongAreCorrected() {
        settings_.limits = {1, 1, 1, 1};
        settings_.timeout = 1ms;
        settings_.startTimeout = std::chrono::milliseconds::max();
        settings_.grace = std::chrono::milliseconds::max();
        begin();
        CPPUNIT_ASSERT(preFork_->timeout() == 30ms);
        CPPUNIT_ASSERT(server_->interval == 10ms);
        CPPUNIT_ASSERT(log_->contains("timeout 1 ms is shorter than a worker may wait for a processor; 30 is used"));
        CPPUNIT_ASSERT_EQUAL(2U, log_->count("is more than a year"));
        passWithAcks(1s, 10ms);
        CPPUNIT_ASSERT(launcher_->all(SIGINT).empty());
        preFork_->shutdown();
        CPPUNIT_ASSERT(*preFork_->nextAlarm() > clock_.now() + std::chrono::hours(24 * 364));
    }

    void testStartServersIsCutToMaxClients() {
        settings_.limits.maxClients = 3;
        begin();
        CPPUNIT_ASSERT_EQUAL(3U, preFork_->limits().start);
        CPPUNIT_ASSERT_EQUAL(3U, living());
    }

    void testTheMonitorBeginsWithStartServersWorkers() {
        make();
        preFork_->start();
        CPPUNIT_ASSERT_EQUAL(0U, living());
        preFork_->begin();
        CPPUNIT_ASSERT_EQUAL(5U, living());
        assertCounts(0, 0, 5);
    }

    void testAWorkerIsStartingUntilItsFirstMessage() {
        make();
        preFork_->start();
        preFork_->begin();
        const auto ids = starting();
        say(ids[0], COMM_ACK);
        say(ids[1], COMM_BUSY);
        say(ids[2], COMM_NOT_BUSY);
        assertCounts(2, 1, 2);
        CPPUNIT_ASSERT_EQUAL(std::size_t{4}, preFork_->freeServers().size());
    }

    void testBusyAndNotBusyMessagesChangeTheStateOfAWorker() {
        begin();
        const WorkerId id = oldestFree();
        say(id, COMM_BUSY);
        CPPUNIT_ASSERT(idsOf(preFork_->busyServers()) == std::vector<WorkerId>{id});
        CPPUNIT_ASSERT_EQUAL(std::size_t{4}, preFork_->freeServers().size());
        say(id, COMM_BUSY);
        assertCounts(4, 1, 0);
        say(id, COMM_NOT_BUSY);
        say(id, COMM_NOT_BUSY);
        assertCounts(5, 0, 0);
    }

    void testASpareWorkerStartsWhenAWorkerBecomesBusy() {
        settings_.limits = {2, 2, 3, 50};
        begin();
        say(oldestFree(), COMM_BUSY);
        assertCounts(1, 1, 1);
    }

    void testNoMoreThanMaxClientsWorkersRun() {
        settings_.limits = {2, 2, 3, 4};
        begin();
        for (int i = 0; i < 10; i++) {
            for (const WorkerId id : idsOf(preFork_->freeServers())) {
                say(id, COMM_BUSY);
            }
        }
        assertCounts(0, 4, 0);
        CPPUNIT_ASSERT_EQUAL(4U, living());
    }

    void testTheOldestFreeWorkersEndAsSurplus() {
        begin();
        const auto ids = idsOf(preFork_->freeServers());
        say(ids[0], COMM_BUSY);
        pass(1s);
        // 4 are free, 2 may be.
        CPPUNIT_ASSERT((launcher_->all(SIGINT) == std::vector<WorkerId>{ids[1], ids[2]}));
        assertCounts(2, 1, 0);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, preFork_->endingServers());
        obey();
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, preFork_->endingServers());
        CPPUNIT_ASSERT_EQUAL(3U, living());
    }

    void testAShortSurplusEndsNoWorker() {
        settings_.limits = {2, 1, 2, 50};
        begin();
        const auto ids = idsOf(preFork_->freeServers());
        say(ids[0], COMM_BUSY);
        say(ids[1], COMM_BUSY);
        allReady();
        for (int i = 0; i < 10; i++) {
            // Three are free now and then.
            say(ids[0], COMM_NOT_BUSY);
            say(ids[1], COMM_NOT_BUSY);
            pass(900ms);
            say(ids[0], COMM_BUSY);
            say(ids[1], COMM_BUSY);
            pass(100ms);
        }
        CPPUNIT_ASSERT(launcher_->all(SIGINT).empty());
    }

    void testBusyWorkersAreNotEndedAsSurplus() {
        begin();
        for (const WorkerId id : idsOf(preFork_->freeServers())) {
            say(id, COMM_BUSY);
        }
        preFork_->setLimits({1, 1, 1, 1});
        pass(10s);
        CPPUNIT_ASSERT_EQUAL(5U, preFork_->counts().busy);
        CPPUNIT_ASSERT_EQUAL(0U, preFork_->counts().free);
    }

    void testAnAckSetsTheLastAckAndNothingElse() {
        begin();
        const auto before = preFork_->freeServers().begin()->second;
        pass(500ms);
        say(before.id, COMM_ACK);
        const auto after = preFork_->freeServers().begin()->second;
        CPPUNIT_ASSERT(after.lastAck == before.lastAck + 500ms);
        CPPUNIT_ASSERT(after.startTime == before.startTime);
        assertCounts(5, 0, 0);
    }

    void testSnapshotsHaveThePidTheLastAckAndTheStartTime() {
        begin();
        const auto snapshot = preFork_->freeServers();
        CPPUNIT_ASSERT_EQUAL(std::size_t{5}, snapshot.size());
        const auto &[pid, worker] = *snapshot.begin();
        CPPUNIT_ASSERT_EQUAL(pid, worker.pid);
        CPPUNIT_ASSERT_EQUAL(launcher_->processes.at(worker.id).pid, pid);
        CPPUNIT_ASSERT(worker.startTime == clock_.now() && worker.lastAck == clock_.now() && worker.ready);
    }

    void testIdToPidHasAllWorkersExceptEndingWorkers() {
        begin();
        say(oldestFree(), COMM_BUSY);
        CPPUNIT_ASSERT_EQUAL(std::size_t{5}, preFork_->idToPid().size());
        pass(1s);
        const auto pids = preFork_->idToPid();
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, pids.size());
        for (const auto &[id, pid] : pids) {
            CPPUNIT_ASSERT_EQUAL(launcher_->processes.at(id).pid, pid);
        }
    }

    void testAWorkerThatEndsIsReplaced() {
        settings_.limits = {2, 2, 2, 50};
        begin();
        pass(10s);
        die(oldestFree());
        CPPUNIT_ASSERT_EQUAL(2U, living());
        CPPUNIT_ASSERT(log_->contains("event=prefork.worker_died"));
    }

    void testMessagesOfUnknownWorkersAreIgnored() {
        begin();
        say(WorkerId(99), COMM_BUSY);
        say(WorkerId(99), "hello");
        preFork_->listener().workerStderr(WorkerId(99), "hello");
        preFork_->listener().workerMute(WorkerId(99));
        preFork_->listener().workerClosed(WorkerId(99), 0);
        assertCounts(5, 0, 0);
    }

    void testLimitsMayChangeWhileWorkersRun() {
        begin();
        preFork_->setLimits({5, 7, 7, 50});
        assertCounts(5, 0, 2);
        allReady();
        preFork_->setLimits({5, 1, 1, 50});
        pass(1s);
        assertCounts(1, 0, 0);
        preFork_->setLimits({5, 9, 1, 3});
        CPPUNIT_ASSERT((preFork_->limits() == SpareLimits{3, 3, 3, 3}));
        assertCounts(1, 0, 2);
        CPPUNIT_ASSERT(log_->contains("min_spare_servers 9 is more than max_clients; 3 is used"));
    }

    void testEachAttributeCanBeSetAndRead() {
        make();
        preFork_->setMaxClients(40);
        preFork_->setMinSpareServers(3);
        preFork_->setMaxSpareServers(6);
        preFork_->setStartServers(7);
        preFork_->setShutdownOnError(false);
        preFork_->setTimeout(9s);
        CPPUNIT_ASSERT_EQUAL(40U, preFork_->maxClients());
        CPPUNIT_ASSERT_EQUAL(3U, preFork_->minSpareServers());
        CPPUNIT_ASSERT_EQUAL(6U, preFork_->maxSpareServers());
        CPPUNIT_ASSERT_EQUAL(7U, preFork_->startServers());
        CPPUNIT_ASSERT(!preFork_->shutdownOnError());
        CPPUNIT_ASSERT(preFork_->timeout() == 9s);
        CPPUNIT_ASSERT((preFork_->limits() == SpareLimits{7, 3, 6, 40}));
        preFork_->setMaxClients(2);
        CPPUNIT_ASSERT((preFork_->limits() == SpareLimits{2, 2, 2, 2}));
        CPPUNIT_ASSERT(log_->contains("min_spare_servers 3 is more than max_clients; 2 is used"));
        preFork_->setTimeout(-1s);
        CPPUNIT_ASSERT(preFork_->timeout() == 0s);
    }

    void testTheServerCanBeReplacedOnlyBeforeTheStart() {
        make();
        const auto other = std::make_shared<FakeServer>();
        preFork_->setServer(other);
        CPPUNIT_ASSERT(&preFork_->server() == other.get());
        thrownBy<std::invalid_argument>([&] { preFork_->setServer(nullptr); });
        preFork_->start();
        CPPUNIT_ASSERT((other->calls == std::vector<std::string>{"sendAck", "start"}));
        CPPUNIT_ASSERT(server_->calls.empty());
        thrownBy<std::logic_error>([&] { preFork_->setServer(server_); });
    }

    void testLimitsSetBeforeTheStartStartNoWorker() {
        make();
        preFork_->setLimits({3, 3, 3, 3});
        CPPUNIT_ASSERT_EQUAL(0U, living());
        preFork_->start();
        preFork_->setStartServers(2);
        CPPUNIT_ASSERT_EQUAL(0U, living());
        preFork_->begin();
        CPPUNIT_ASSERT_EQUAL(2U, living());
    }

    void testShutdownOnErrorMayChangeWhileWorkersRun() {
        begin();
        preFork_->setShutdownOnError(false);
        launcher_->error = EAGAIN;
        preFork_->setMinSpareServers(6);
        CPPUNIT_ASSERT(!preFork_->shuttingDown());
        preFork_->setShutdownOnError(true);
        pass(1s);
        CPPUNIT_ASSERT(preFork_->shuttingDown());
    }

    /** Workers that run send their acks at the interval of the time-out before. */
    void testTheTimeoutCannotBeSetAfterTheStart() {
        begin();
        thrownBy<std::logic_error>([&] { preFork_->setTimeout(9s); });
        CPPUNIT_ASSERT(preFork_->timeout() == 0ms);
    }

    void testAMuteWorkerThatDoesNotEndIsInterrupted() {
        begin();
        const WorkerId id = oldestFree();
        say(id, COMM_BUSY);
        preFork_->listener().workerMute(id);
        pass(999ms);
        CPPUNIT_ASSERT(!launcher_->told(id, SIGINT));
        pass(1ms);
        CPPUNIT_ASSERT(launcher_->told(id, SIGINT));
        CPPUNIT_ASSERT(log_->contains("event=prefork.worker_mute"));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PreForkTest);

}  // namespace Passenger
