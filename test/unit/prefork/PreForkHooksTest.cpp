#include <cppunit/extensions/HelperMacros.h>

#include <cerrno>
#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "prefork/PreFork.h"
#include "support/PreForkFixture.h"

namespace Passenger {

using namespace std::chrono_literals;

/** The calls that a subclass gets, and the effect of an override that does nothing. */
class PreForkHooksTest : public PreForkFixture {
    CPPUNIT_TEST_SUITE(PreForkHooksTest);
    CPPUNIT_TEST(testOutputGoesToTheMethodOfItsKind);
    CPPUNIT_TEST(testErrorOutputIsReportedWithItsWorker);
    CPPUNIT_TEST(testAWorkerIsReportedReadyOnce);
    CPPUNIT_TEST(testATimeoutCallsTheMethodForTheStateOfTheWorker);
    CPPUNIT_TEST(testAWorkerIsEndedByServerTimeoutOnly);
    CPPUNIT_TEST(testAFailedForkIsReportedAsARunError);
    CPPUNIT_TEST(testTheEndOfAWorkerIsReportedWithItsStatus);
    CPPUNIT_TEST(testTheEndOfAllWorkersIsReportedAsAStop);
    CPPUNIT_TEST(testAForkMethodThatForksNothingLeavesNoWorkers);
    CPPUNIT_TEST(testEveryStateAndMethodCanBeOverridden);
    CPPUNIT_TEST(testTheIntervalOfTheCheckCanBeOverridden);
    CPPUNIT_TEST_SUITE_END();

    class Noting final : public PreFork {
    public:
        using PreFork::PreFork;

        std::vector<std::string> notes;
        bool spares = false;
        bool forks = true;

        void note(const std::string &name, const Worker &worker, const std::string &more = "") {
            notes.push_back(name + " " + std::to_string(worker.pid) + (more.empty() ? "" : " " + more));
        }

    protected:
        void serverAck(Worker &worker) override {
            note("ack", worker);
            PreFork::serverAck(worker);
        }
        void serverBusy(Worker &worker) override {
            note("busy", worker);
            PreFork::serverBusy(worker);
        }
        void serverNotBusy(Worker &worker) override {
            note("free", worker);
            PreFork::serverNotBusy(worker);
        }
        void serverStdout(Worker &worker, std::string_view output) override {
            note("stdout", worker, std::string(output));
        }
        void serverStderr(Worker &worker, std::string_view line) override { note("stderr", worker, std::string(line)); }
        void serverReady(Worker &worker) override { note("ready", worker); }
        void serverClosed(Worker &worker, int status) override { note("closed", worker, std::to_string(status)); }
        void serverTimeoutBusy(Worker &worker) override {
            note("timeout_busy", worker);
            PreFork::serverTimeoutBusy(worker);
        }
        void serverTimeoutFree(Worker &worker) override {
            note("timeout_free", worker);
            PreFork::serverTimeoutFree(worker);
        }
        void serverTimeout(Worker &worker) override {
            note("timeout", worker);
            if (!spares) {
                PreFork::serverTimeout(worker);
            }
        }
        void handlerRunError(const std::string &operation, int error) override {
            notes.push_back("run_error " + operation + " " + std::to_string(error));
            PreFork::handlerRunError(operation, error);
        }
        void handlerShutdown() override {
            notes.emplace_back("shutdown");
            PreFork::handlerShutdown();
        }
        void handlerStop() override {
            notes.emplace_back("stop");
            PreFork::handlerStop();
        }
        void handlerServerFork() override {
            if (forks) {
                PreFork::handlerServerFork();
            }
        }
    };

    /** Notes each call of an overridable method, and changes nothing. */
    class All final : public PreFork {
    public:
        using PreFork::PreFork;

        mutable std::set<std::string> called;
        std::optional<std::chrono::milliseconds> checks;

        std::chrono::milliseconds serverCheckAck() const override {
            noted("serverCheckAck");
            return checks.value_or(PreFork::serverCheckAck());
        }
        bool isChild() const override {
            noted("isChild");
            return PreFork::isChild();
        }

    protected:
        void handlerStart() override {
            noted("handlerStart");
            PreFork::handlerStart();
        }
        void handlerChild(const std::string &reason) override {
            noted("handlerChild");
            PreFork::handlerChild(reason);
        }
        void handlerStop() override {
            noted("handlerStop");
            PreFork::handlerStop();
        }
        void handlerRunError(const std::string &operation, int error) override {
            noted("handlerRunError");
            PreFork::handlerRunError(operation, error);
        }
        void handlerShutdown() override {
            noted("handlerShutdown");
            PreFork::handlerShutdown();
        }
        void handlerServerClosed(WorkerId id, int status) override {
            noted("handlerServerClosed");
            PreFork::handlerServerClosed(id, status);
        }
        void handlerServerStderr(WorkerId id, std::string_view line) override {
            noted("handlerServerStderr");
            PreFork::handlerServerStderr(id, line);
        }
        void handlerServerAck(WorkerId id, std::string_view output) override {
            noted("handlerServerAck");
            PreFork::handlerServerAck(id, output);
        }
        void handlerServerTimeoutCheck() override {
            noted("handlerServerTimeoutCheck");
            PreFork::handlerServerTimeoutCheck();
        }
        void handlerForkoff() override {
            noted("handlerForkoff");
            PreFork::handlerForkoff();
        }
        void handlerServerFork() override {
            noted("handlerServerFork");
            PreFork::handlerServerFork();
        }
        void serverStart() override {
            noted("serverStart");
            PreFork::serverStart();
        }
        void serverAck(Worker &worker) override {
            noted("serverAck");
            PreFork::serverAck(worker);
        }
        void serverBusy(Worker &worker) override {
            noted("serverBusy");
            PreFork::serverBusy(worker);
        }
        void serverNotBusy(Worker &worker) override {
            noted("serverNotBusy");
            PreFork::serverNotBusy(worker);
        }
        void serverStdout(Worker &, std::string_view) override { noted("serverStdout"); }
        void serverStderr(Worker &, std::string_view) override { noted("serverStderr"); }
        void serverTimeout(Worker &worker) override {
            noted("serverTimeout");
            PreFork::serverTimeout(worker);
        }
        void serverTimeoutBusy(Worker &worker) override {
            noted("serverTimeoutBusy");
            PreFork::serverTimeoutBusy(worker);
        }
        void serverTimeoutFree(Worker &worker) override {
            noted("serverTimeoutFree");
            PreFork::serverTimeoutFree(worker);
        }

    private:
        void noted(const std::string &name) const { called.insert(name); }
    };

    /** With one worker, which is ready; nothing is noted yet. */
    Noting &beginNoting() {
        settings_.limits = {1, 1, 1, 1};
        auto &noting = make<Noting>();
        noting.start();
        noting.begin();
        allReady();
        noting.notes.clear();
        return noting;
    }
    static void assertNotes(const Noting &noting, const std::vector<std::string> &expected) {
        std::string all;
        for (const auto &note : noting.notes) {
            all += note + "; ";
        }
        CPPUNIT_ASSERT_MESSAGE(all, noting.notes == expected);
    }

public:
    void testOutputGoesToTheMethodOfItsKind() {
        auto &noting = beginNoting();
        const WorkerId id = oldestFree();
        say(id, COMM_ACK);
        say(id, COMM_BUSY);
        say(id, COMM_NOT_BUSY);
        say(id, "hello");
        assertNotes(noting, {"ack 1001", "busy 1001", "free 1001", "stdout 1001 hello"});
    }

    void testErrorOutputIsReportedWithItsWorker() {
        auto &noting = beginNoting();
        noting.listener().workerStderr(oldestFree(), "oh");
        assertNotes(noting, {"stderr 1001 oh"});
    }

    void testAWorkerIsReportedReadyOnce() {
        settings_.limits = {1, 1, 1, 1};
        auto &noting = make<Noting>();
        noting.start();
        noting.begin();
        const WorkerId id = oldestFree();
        say(id, "loading");
        say(id, COMM_NOT_BUSY);
        say(id, COMM_NOT_BUSY);
        assertNotes(noting, {"stdout 1001 loading", "ready 1001", "free 1001", "free 1001"});
    }

    void testATimeoutCallsTheMethodForTheStateOfTheWorker() {
        settings_.timeout = 10s;
        auto &noting = beginNoting();
        pass(15s);
        obey();
        allReady();
        say(oldestFree(), COMM_BUSY);
        noting.notes.clear();
        pass(30s);
        CPPUNIT_ASSERT((std::vector<std::string>(noting.notes.begin(), noting.notes.begin() + 2) ==
                        std::vector<std::string>{"timeout_busy 1002", "timeout 1002"}));
    }

    void testAWorkerIsEndedByServerTimeoutOnly() {
        settings_.timeout = 10s;
        auto &noting = beginNoting();
        noting.spares = true;
        const WorkerId id = oldestFree();
        pass(15s);
        assertNotes(noting, {"timeout_free 1001", "timeout 1001"});
        CPPUNIT_ASSERT(!launcher_->told(id, SIGINT));
        assertCounts(1, 0, 0);
        noting.spares = false;
        pass(15s);
        CPPUNIT_ASSERT(launcher_->told(id, SIGINT));
    }

    void testAFailedForkIsReportedAsARunError() {
        settings_.shutdownOnError = true;
        auto &noting = beginNoting();
        launcher_->error = EAGAIN;
        say(oldestFree(), COMM_BUSY);
        noting.setMaxClients(2);
        CPPUNIT_ASSERT_EQUAL("run_error fork " + std::to_string(EAGAIN), noting.notes.at(1));
        CPPUNIT_ASSERT_EQUAL(std::string("shutdown"), noting.notes.at(2));
        CPPUNIT_ASSERT(log_->contains("event=prefork.fork_failed error=\"fork: Resource temporarily unavailable\""));
    }

    void testTheEndOfAWorkerIsReportedWithItsStatus() {
        auto &noting = beginNoting();
        die(oldestFree(), 256);
        assertNotes(noting, {"closed 1001 256"});
        assertCounts(0, 0, 1);
    }

    void testTheEndOfAllWorkersIsReportedAsAStop() {
        auto &noting = beginNoting();
        noting.shutdown();
        assertNotes(noting, {"shutdown"});
        obey();
        assertNotes(noting, {"shutdown", "closed 1001 2", "stop"});
    }

    void testAForkMethodThatForksNothingLeavesNoWorkers() {
        settings_.limits = {1, 1, 1, 1};
        auto &noting = make<Noting>();
        noting.forks = false;
        noting.start();
        noting.begin();
        CPPUNIT_ASSERT_EQUAL(0U, living());
        noting.forks = true;
        noting.setLimits({1, 1, 1, 1});
        CPPUNIT_ASSERT_EQUAL(1U, living());
    }

    /**
     * One life of a PreFork calls all 11 states and all 11 methods of POE's PreFork that exist
     * here.
     */
    void testEveryStateAndMethodCanBeOverridden() {
        settings_.limits = {2, 2, 2, 3};
        settings_.timeout = 10s;
        settings_.shutdownOnError = false;
        auto &all = make<All>();
        all.start();
        all.begin();
        allReady();
        const WorkerId busy = oldestFree();
        say(busy, COMM_BUSY);
        say(busy, COMM_NOT_BUSY);
        say(busy, COMM_BUSY);
        say(busy, "hello");
        all.listener().workerStderr(busy, "oh");
        launcher_->error = EAGAIN;
        pass(60s);
        obey();
        all.listener().launcherEnded("the fork server ended");
        launcher_->work();
        CPPUNIT_ASSERT_EQUAL(std::string("the fork server ended"), all.waitForEnd());
        const std::set<std::string> names = {"handlerStart",
                                             "handlerChild",
                                             "handlerStop",
                                             "handlerRunError",
                                             "handlerShutdown",
                                             "handlerServerClosed",
                                             "handlerServerStderr",
                                             "handlerServerAck",
                                             "handlerServerTimeoutCheck",
                                             "handlerForkoff",
                                             "handlerServerFork",
                                             "serverStart",
                                             "serverAck",
                                             "serverBusy",
                                             "serverNotBusy",
                                             "serverStdout",
                                             "serverStderr",
                                             "serverTimeout",
                                             "serverTimeoutBusy",
                                             "serverTimeoutFree",
                                             "serverCheckAck",
                                             "isChild"};
        for (const auto &name : names) {
            CPPUNIT_ASSERT_MESSAGE(name, all.called.contains(name));
        }
    }

    void testTheIntervalOfTheCheckCanBeOverridden() {
        settings_.limits = {1, 1, 1, 1};
        settings_.timeout = 10s;
        auto &all = make<All>();
        all.checks = 12s;
        all.start();
        all.begin();
        allReady();
        CPPUNIT_ASSERT(all.nextAlarm() == clock_.now() + 12s);
        pass(11s);
        CPPUNIT_ASSERT(launcher_->all(SIGINT).empty());
        pass(1s);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, launcher_->all(SIGINT).size());
        CPPUNIT_ASSERT(all.nextAlarm() == clock_.now() + 10s);  // its grace
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PreForkHooksTest);

}  // namespace Passenger
