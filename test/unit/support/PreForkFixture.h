#pragma once

#include <cppunit/TestFixture.h>
#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "prefork/PreFork.h"
#include "prefork/WorkerOutput.h"
#include "support/CapturedLog.h"
#include "support/FakeWorkerProcesses.h"
#include "support/ManualClock.h"

namespace Passenger {

/** A PreFork without processes, loop and real time. */
class PreForkFixture : public CppUnit::TestFixture {
protected:
    ManualClock clock_;
    std::shared_ptr<FakeServer> server_ = std::make_shared<FakeServer>();
    PreForkSettings settings_;
    std::optional<CapturedLog> log_;
    /** Owned by the PreFork. */
    FakeLauncher *launcher_ = nullptr;
    std::unique_ptr<PreFork> preFork_;

public:
    void setUp() override {
        log_.emplace();
        settings_.server = server_;
    }
    void tearDown() override {
        preFork_.reset();
        log_.reset();
    }

protected:
    template <typename Kind = PreFork> Kind &make() {
        auto launcher = std::make_unique<FakeLauncher>();
        launcher_ = launcher.get();
        auto made = std::make_unique<Kind>(settings_, std::move(launcher), clock_);
        Kind &result = *made;
        preFork_ = std::move(made);
        return result;
    }
    /** With its first workers, which are ready. */
    PreFork &begin() {
        make();
        preFork_->start();
        preFork_->begin();
        allReady();
        return *preFork_;
    }
    void allReady() {
        for (const WorkerId id : starting()) {
            say(id, COMM_ACK);
        }
    }
    std::vector<WorkerId> starting() const {
        std::vector<WorkerId> found;
        for (const auto &[pid, worker] : preFork_->freeServers()) {
            if (!worker.ready) {
                found.push_back(worker.id);
            }
        }
        return found;
    }
    static std::vector<WorkerId> idsOf(const PreFork::Snapshot &snapshot) {
        std::vector<WorkerId> ids;
        for (const auto &[pid, worker] : snapshot) {
            ids.push_back(worker.id);
        }
        return ids;
    }
    /** Pids grow with ids, so that it is the oldest. */
    WorkerId oldestFree() const { return idsOf(preFork_->freeServers()).at(0); }
    void say(WorkerId id, std::string_view output) { preFork_->listener().workerStdout(id, output); }
    void die(WorkerId id, int status = 0) {
        launcher_->processes.erase(id);
        preFork_->listener().workerClosed(id, status);
    }
    /** The workers that were told to end do so. */
    void obey(int signal = SIGINT) {
        for (const WorkerId id : launcher_->all(signal)) {
            die(id, signal);
        }
    }
    void pass(std::chrono::nanoseconds time) {
        const auto until = clock_.now() + time;
        for (;;) {
            const auto next = preFork_->nextAlarm();
            if (!next || *next > until) {
                break;
            }
            clock_.advance(std::max(*next - clock_.now(), std::chrono::nanoseconds(0)));
            preFork_->runAlarms();
        }
        clock_.advance(until - clock_.now());
    }
    /** Time passes, and all that live send their acks. */
    void passWithAcks(std::chrono::nanoseconds time, std::chrono::nanoseconds step = std::chrono::seconds(1)) {
        for (const auto until = clock_.now() + time; clock_.now() < until;) {
            pass(std::min(step, until - clock_.now()));
            for (const auto &[id, pid] : preFork_->idToPid()) {
                say(id, COMM_ACK);
            }
        }
    }
    unsigned living() const { return static_cast<unsigned>(launcher_->processes.size()); }
    void assertCounts(unsigned free, unsigned busy, unsigned starting) {
        const SpareCounts counts = preFork_->counts();
        CPPUNIT_ASSERT_EQUAL(free, counts.free);
        CPPUNIT_ASSERT_EQUAL(busy, counts.busy);
        CPPUNIT_ASSERT_EQUAL(starting, counts.starting);
    }
};

}  // namespace Passenger
