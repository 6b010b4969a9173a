// Pool: the files are those of a new version, and what has the old one loaded ends just now.

#include <exception>
#include <future>
#include <memory>

#include <cppunit/extensions/HelperMacros.h>

#include "base/Exceptions.h"
#include "spawning/Preloader.h"
#include "support/Eventually.h"
#include "support/LeftProcess.h"
#include "support/NoThreads.h"
#include "support/PoolContract.h"

namespace Passenger {

using namespace std::chrono_literals;

class PoolUnloadedTest : public PoolContract {
    CPPUNIT_TEST_SUITE(PoolUnloadedTest);
    CPPUNIT_TEST(testAForkWithoutAPreloaderAfterAFailedDeployIsAnotherAttemptAtTheNewVersion);
    CPPUNIT_TEST(testAForkWithoutAPreloaderBetweenTwoAttemptsIsTheNextAttempt);
    CPPUNIT_TEST(testATakeOverThatFailsAfterAFailedDeployLoadsNothingBesideOthers);
    CPPUNIT_TEST(testATakeOverThatFailsAfterAFailedDeployIsAnotherAttemptAtTheNewVersion);
    CPPUNIT_TEST(testATakeOverForWhichThereIsNoThreadIsTriedAgainBeforeTheNewVersion);
    CPPUNIT_TEST(testALoadThatARestartOvertakesGivesNoInstanceBesideOthers);
    CPPUNIT_TEST(testAFailedLoadThatARestartOvertakesIsNoFailure);
    CPPUNIT_TEST(testAFirstStartThatFailsAfterAnUnseenRestartCostsNoRequest);
    CPPUNIT_TEST(testAFirstLoadThatFailsAfterAnUnseenRestartCostsNoRequest);
    CPPUNIT_TEST_SUITE_END();

    static constexpr const char *NOT_LOADED = "event=spawn.not_loaded";

    HeldPtr held_;
    AnswerPtr waiter_;
    /** The starts of holdGrowth(). */
    std::promise<void> growth_;
    std::promise<void> deployment_;

    std::uint64_t version() const { return group(inFolder()).version; }
    bool eventuallyVersion(std::uint64_t version) const {
        return eventually([&] { return this->version() == version; });
    }
    /** Instances are forks of a preloader. */
    void preload() {
        factory_->makeResult = [origin = std::make_shared<const Origin>(), this](const Options &) {
            SpawnResult result = factory_->instances().make();
            result.origin = origin;
            return result;
        };
    }
    void expectVersionOfAll(std::uint64_t version) {
        for (const ProcessSnapshot &process : instances(inFolder())) {
            CPPUNIT_ASSERT_EQUAL(version, process.version);
        }
    }
    /** An instance of an earlier pool process, which has seen a deployment fail. */
    std::unique_ptr<LeftProcess> leave() {
        auto left = std::make_unique<LeftProcess>(inFolder().groupName());
        left->deployFailed = true;
        left->restoreIn(*pool_);
        return left;
    }
    /** An instance serves. The start of another one for a request has begun, and is held. */
    void holdGrowth() {
        factory_->loaded = false;
        factory_->beforeSpawn = [this](const Options &) {
            if (factory_->attempts() == 2) {
                growth_.get_future().get();
            } else if (factory_->attempts() == 3) {
                deployment_.get_future().get();
            }
        };
        held_ = get(inFolder());
        waiter_ = ask(inFolder());
        CPPUNIT_ASSERT(eventually([this] {
            pass(100ms);
            return factory_->attempts() == 2;
        }));
        restart();
        CPPUNIT_ASSERT(eventually([this] { return factory_->attempts() == 3; }));
    }
    static void fail(std::promise<void> &start) {
        start.set_exception(std::make_exception_ptr(SpawnException("a failure was ordered")));
    }
    void endRequests() {
        held_.reset();
        CPPUNIT_ASSERT(waiter_->session());
        waiter_.reset();
    }
    void failFirstStartAfterTouch() {
        factory_->look = [this](const Options &options) { pool_->checkRestart(options.groupName()); };
        factory_->hold();
        const AnswerPtr waiter = ask(inFolder());
        factory_->waitUntilHeld(1);
        touch();
        factory_->failuresToCome = 1;
        factory_->release();
        CPPUNIT_ASSERT(waiter->session());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, version());
        CPPUNIT_ASSERT_EQUAL(0U, log_->count("event=spawn.failed"));
    }
    void failFirstTakeOver() {
        factory_->loaded = false;
        factory_->beforeSpawn = [this](const Options &) {
            if (factory_->attempts() == 1) {
                throw SpawnException("it cannot be taken over");
            }
        };
    }

public:
    void testAForkWithoutAPreloaderAfterAFailedDeployIsAnotherAttemptAtTheNewVersion() {
        preload();
        warmUp(2, inFolder());
        factory_->failuresToCome = 1;
        restart();
        CPPUNIT_ASSERT(eventuallyState(GroupState::DEPLOY_FAILED, inFolder()));
        pass(500ms);
        factory_->loaded = false;
        const unsigned before = factory_->attempts();
        die(0);
        CPPUNIT_ASSERT(eventuallyVersion(3));
        CPPUNIT_ASSERT(eventuallyServing(2, inFolder()));
        expectVersionOfAll(3);
        CPPUNIT_ASSERT_EQUAL(1U, log_->count(NOT_LOADED));
        CPPUNIT_ASSERT(factory_->attempts() <= before + 2);
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=spawn.failed"));
    }

    void testAForkWithoutAPreloaderBetweenTwoAttemptsIsTheNextAttempt() {
        preload();
        get(inFolder()).reset();
        factory_->beforeSpawn = [this](const Options &) {
            if (factory_->attempts() == 2) {
                Report report;
                report.mayPass = true;
                throw SpawnException(report);
            }
        };
        restart();
        CPPUNIT_ASSERT(eventually([this] { return factory_->attempts() == 2 && group(inFolder()).starting == 0; }));
        factory_->loaded = false;
        die(0);
        CPPUNIT_ASSERT(eventuallyCount(0));
        const AnswerPtr waiter = ask(inFolder());
        pass(500ms);
        CPPUNIT_ASSERT(waiter->session());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, version());
        CPPUNIT_ASSERT_EQUAL(1U, log_->count(NOT_LOADED));
        CPPUNIT_ASSERT_EQUAL(0U, log_->count("event=deploy.failed"));
    }

    void testATakeOverThatFailsAfterAFailedDeployLoadsNothingBesideOthers() {
        const auto one = leave();
        const auto other = leave();
        failFirstTakeOver();
        CPPUNIT_ASSERT(ask(inFolder())->session());
        CPPUNIT_ASSERT(eventually([this] { return log_->contains(NOT_LOADED) && group(inFolder()).starting == 0; }));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, instances(inFolder()).size());
        CPPUNIT_ASSERT(instances(inFolder())[0].adopted);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, version());
    }

    void testATakeOverThatFailsAfterAFailedDeployIsAnotherAttemptAtTheNewVersion() {
        const auto left = leave();
        failFirstTakeOver();
        CPPUNIT_ASSERT(ask(inFolder())->session());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, version());
        CPPUNIT_ASSERT(!instances(inFolder())[0].adopted);
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=deploy.again"));
    }

    void testATakeOverForWhichThereIsNoThreadIsTriedAgainBeforeTheNewVersion() {
        const auto left = leave();
        AnswerPtr waiter;
        {
            const NoThreads shortage;
            waiter = ask(inFolder());
            CPPUNIT_ASSERT(log_->contains("event=spawn.not_started"));
        }
        CPPUNIT_ASSERT(!left->toldToEnd());
        pass(1s);
        CPPUNIT_ASSERT(waiter->session());
        CPPUNIT_ASSERT(instances(inFolder())[0].adopted);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, version());
        CPPUNIT_ASSERT_EQUAL(0U, log_->count("event=deploy.again"));
    }

    void testALoadThatARestartOvertakesGivesNoInstanceBesideOthers() {
        holdGrowth();
        fail(deployment_);
        CPPUNIT_ASSERT(eventuallyState(GroupState::DEPLOY_FAILED, inFolder()));
        growth_.set_value();
        CPPUNIT_ASSERT(eventually([this] { return log_->contains(NOT_LOADED); }));
        pass(500ms);
        CPPUNIT_ASSERT(eventuallyVersion(3));
        endRequests();
        CPPUNIT_ASSERT(eventuallyCount(1));
        expectVersionOfAll(3);
    }

    void testAFailedLoadThatARestartOvertakesIsNoFailure() {
        holdGrowth();
        fail(growth_);
        CPPUNIT_ASSERT(eventually([this] { return log_->contains(NOT_LOADED); }));
        deployment_.set_value();
        CPPUNIT_ASSERT(eventuallyVersion(2));
        endRequests();
        CPPUNIT_ASSERT_EQUAL(0U, log_->count("event=spawn.failed"));
    }

    void testAFirstStartThatFailsAfterAnUnseenRestartCostsNoRequest() { failFirstStartAfterTouch(); }

    void testAFirstLoadThatFailsAfterAnUnseenRestartCostsNoRequest() {
        factory_->loaded = false;
        failFirstStartAfterTouch();
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolUnloadedTest);

}  // namespace Passenger
