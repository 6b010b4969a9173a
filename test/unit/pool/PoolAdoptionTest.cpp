// Pool: instances that an earlier pool process has left.

#include <cppunit/extensions/HelperMacros.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/Exceptions.h"
#include "pool/DescriptorStore.h"
#include "pool/InstanceNote.h"
#include "restart/RestartFiles.h"
#include "support/Eventually.h"
#include "support/FakeInstances.h"
#include "support/LeftProcess.h"
#include "support/PoolContract.h"

namespace Passenger {

using namespace std::chrono_literals;

namespace {

/** Notes what the next pool process would learn. */
class LastNotes final : public DescriptorStore {
public:
    void put(const std::string &key, const std::string &note, const std::vector<int> &descriptors) override {
        const LockGuard guard(mutex_);
        notes_.insert_or_assign(key, note);
        if (key.starts_with("queue:")) {
            queueEnds_ = descriptors.size();
        }
    }
    void remove(const std::string &) override {}
    std::string restartFile(const std::string &key) const {
        const LockGuard guard(mutex_);
        return InstanceNote::parse(notes_.at(key)).restartFile;
    }
    bool deployFailed(const std::string &key) const {
        const LockGuard guard(mutex_);
        return InstanceNote::parse(notes_.at(key)).deployFailed;
    }
    /** Of the queue that was made last. */
    std::size_t queueEnds() const {
        const LockGuard guard(mutex_);
        return queueEnds_;
    }

private:
    mutable Mutex mutex_{Locks::WAITER};
    std::size_t queueEnds_ GUARDED_BY(mutex_) = 0;
    std::map<std::string, std::string> notes_ GUARDED_BY(mutex_);
};

}  // namespace

class PoolAdoptionTest : public PoolContract {
    CPPUNIT_TEST_SUITE(PoolAdoptionTest);
    CPPUNIT_TEST(testAChangeThatIsSeenDuringATakeOverCostsNoInstance);
    CPPUNIT_TEST(testAnOrderedRestartKeepsWhatWaitsUntilTheNewVersionServes);
    CPPUNIT_TEST(testAnOrderedRestartThatHasFailedIsOverForWhatWasTakenOver);
    CPPUNIT_TEST(testAFailedDeploymentIsStillKnownAfterATakeOver);
    CPPUNIT_TEST(testWithoutRollingRestartsAnOrderedRestartTakesNothingOver);
    CPPUNIT_TEST(testAnAsgiApplicationInAFileForWsgiKeepsItsStartInstances);
    CPPUNIT_TEST(testAPauseHoldsForInstancesThatWait);
    CPPUNIT_TEST(testAPauseIsProlongedBeforeTheNextRequest);
    CPPUNIT_TEST(testInstancesThatWaitAreCountedAndCleared);
    CPPUNIT_TEST(testTheLogSaysWhyInstancesThatWaitEnd);
    CPPUNIT_TEST(testAnApplicationThatWasRemovedLeavesNoInstanceThatWaits);
    CPPUNIT_TEST(testAChangedIdleTimeHoldsForInstancesThatWait);
    CPPUNIT_TEST(testTheNextPoolProcessCanCloseAPriorityQueueToo);
    CPPUNIT_TEST_SUITE_END();

    LastNotes notes_;

    std::string name() const { return inFolder().groupName(); }

public:
    void testAnOrderedRestartKeepsWhatWaitsUntilTheNewVersionServes() {
        const LeftProcess left(name());
        left.restoreIn(*pool_);
        CPPUNIT_ASSERT(pool_->restart(name()));
        CPPUNIT_ASSERT(!left.toldToEnd());
        CPPUNIT_ASSERT(ask(inFolder())->session());
        CPPUNIT_ASSERT(instances(inFolder())[0].adopted);
        pool_->checkRestarts();
        CPPUNIT_ASSERT(eventually([&] { return group(inFolder()).version == 2; }));
        CPPUNIT_ASSERT(log_->contains("reason=\"an earlier restart was not finished\""));
    }

    void testAnAsgiApplicationInAFileForWsgiKeepsItsStartInstances() {
        Options options = inFolder();
        options.appType = "wsgi";
        options.minInstances = 1;
        options.startInstances = 2;
        LeftProcess left[]{LeftProcess(name()), LeftProcess(name())};
        for (LeftProcess &one : left) {
            one.isAsgi = true;
            one.restoreIn(*pool_);
        }
        CPPUNIT_ASSERT(ask(options)->session());
        CPPUNIT_ASSERT(eventuallyServing(2, options));
        advance(100s, 5s);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, instancesThat(Process::State::SERVING, options).size());
    }

    void testAPauseHoldsForInstancesThatWait() {
        const LeftProcess left(name());
        CPPUNIT_ASSERT(!pool_->pause(name(), 60s));
        left.restoreIn(*pool_);
        CPPUNIT_ASSERT(pool_->pause(name(), 60s));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, pool_->pauses().count(name()));
        AnswerPtr answer = ask(inFolder());
        CPPUNIT_ASSERT(eventually([&] { return instances(inFolder()).size() == 1; }));
        CPPUNIT_ASSERT(instances(inFolder())[0].adopted);
        CPPUNIT_ASSERT(group(inFolder()).state == nameOf(GroupState::PAUSED));
        CPPUNIT_ASSERT(!answer->here());
        CPPUNIT_ASSERT(pool_->resume(name()));
        CPPUNIT_ASSERT(answer->session());
    }

    void testAPauseIsProlongedBeforeTheNextRequest() {
        LeftProcess left(name());
        left.restoreIn(*pool_);
        CPPUNIT_ASSERT(pool_->pause(name(), 10s));
        left.end();
        CPPUNIT_ASSERT(eventually([&] { return !pool_->hasOrphans(); }));
        CPPUNIT_ASSERT(pool_->pause(name(), 60s));
        CPPUNIT_ASSERT(pool_->pauses().at(name()) > 10s);
    }

    void testInstancesThatWaitAreCountedAndCleared() {
        LeftProcess left(name());
        left.restoreIn(*pool_);
        left.claim(4);
        CPPUNIT_ASSERT_EQUAL(1U, pool_->getCount());
        CPPUNIT_ASSERT_EQUAL(1U, pool_->getActive());
        pool_->clear();
        CPPUNIT_ASSERT(left.toldToEnd());
        CPPUNIT_ASSERT_EQUAL(1U, pool_->getCount());
        left.end();
        CPPUNIT_ASSERT(eventuallyCount(0));
        CPPUNIT_ASSERT_EQUAL(0U, pool_->getActive());
    }

    void testTheLogSaysWhyInstancesThatWaitEnd() {
        const LeftProcess left(name());
        left.restoreIn(*pool_);
        pool_->shutDown();
        CPPUNIT_ASSERT(left.toldToEnd());
        CPPUNIT_ASSERT(log_->contains("reason=\"the pool ends, or is full\""));
    }

    void testAnApplicationThatWasRemovedLeavesNoInstanceThatWaits() {
        const LeftProcess left(name());
        left.restoreIn(*pool_);
        pool_->abandon("/srv/other (production)");
        CPPUNIT_ASSERT(!left.toldToEnd());
        CPPUNIT_ASSERT(!log_->contains("event=app.removed"));
        pool_->abandon(name());
        CPPUNIT_ASSERT(left.toldToEnd());
        CPPUNIT_ASSERT(log_->contains("event=app.removed app=\"" + name() + "\" instances=1"));
    }

    void testAChangedIdleTimeHoldsForInstancesThatWait() {
        const LeftProcess left(name());
        left.restoreIn(*pool_);
        PoolSettings changed = settings();
        changed.idleTime = 1ms;
        pool_->configure(changed);
        clock_.advance(1ms);
        CPPUNIT_ASSERT(eventually([&] { return left.toldToEnd(); }));
    }

    void testTheNextPoolProcessCanCloseAPriorityQueueToo() {
        makePool({*loop_, *factory_, *channels_, clock_, notes_, cpu_, false}, settings());
        pool_->attach(app());
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, notes_.queueEnds());
        Options two = inFolder();
        two.priorityQueue = true;
        pool_->attach(two);
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, notes_.queueEnds());
        endPool();
    }

    void testAnOrderedRestartThatHasFailedIsOverForWhatWasTakenOver() {
        makePool({*loop_, *factory_, *channels_, clock_, notes_, cpu_, false}, settings());
        FakeInstances processes(*loop_, *factory_);
        const LeftProcess left(name());
        left.restoreIn(*pool_);
        CPPUNIT_ASSERT(pool_->restart(name()));
        factory_->beforeSpawn = [this](const Options &) {
            if (factory_->attempts() == 2) {
                throw SpawnException("the new version is broken");
            }
        };
        pool_->attach(inFolder());
        CPPUNIT_ASSERT(eventuallyServing(1, inFolder()));
        const std::string key = "instance:" + std::to_string(processes.pid(0));
        CPPUNIT_ASSERT_EQUAL(std::string(RestartFiles::ASKED), notes_.restartFile(key));
        pool_->checkRestarts();
        CPPUNIT_ASSERT(eventuallyState(GroupState::DEPLOY_FAILED, inFolder()));
        CPPUNIT_ASSERT_EQUAL(std::string("-"), notes_.restartFile(key));
        CPPUNIT_ASSERT(notes_.deployFailed(key));
        endPool();
    }

    void testAFailedDeploymentIsStillKnownAfterATakeOver() {
        LeftProcess left(name());
        left.deployFailed = true;
        left.restoreIn(*pool_);
        Options two = inFolder();
        two.minInstances = 2;
        factory_->beforeSpawn = [this](const Options &) {
            if (factory_->attempts() > 1) {
                throw SpawnException("the new version is broken");
            }
        };
        CPPUNIT_ASSERT(ask(two)->session());
        // The second instance would load the files of the new version: it is a deployment of it.
        CPPUNIT_ASSERT(eventually([&] { return log_->contains("event=deploy.failed"); }));
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=deploy.again"));
        CPPUNIT_ASSERT_EQUAL(0U, log_->count("event=app.restart"));
        CPPUNIT_ASSERT(eventuallyState(GroupState::DEPLOY_FAILED, two));
        CPPUNIT_ASSERT(instances(two)[0].adopted);
    }

    void testWithoutRollingRestartsAnOrderedRestartTakesNothingOver() {
        Options options = inFolder();
        options.rollingRestarts = false;
        const LeftProcess left(name());
        left.restoreIn(*pool_);
        CPPUNIT_ASSERT(pool_->restart(name()));
        CPPUNIT_ASSERT(ask(options)->session());
        CPPUNIT_ASSERT(left.toldToEnd());
        pool_->checkRestarts();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, group(options).version);
        CPPUNIT_ASSERT(!instances(options)[0].adopted);
    }

    void testAChangeThatIsSeenDuringATakeOverCostsNoInstance() {
        const LeftProcess left(inFolder().groupName());
        left.restoreIn(*pool_);
        factory_->hold();
        AnswerPtr answer = ask(inFolder());
        factory_->waitUntilHeld(1);
        restart();
        factory_->letThrough();
        CPPUNIT_ASSERT(eventually([&] { return instances(inFolder()).size() == 1; }));
        CPPUNIT_ASSERT(instances(inFolder())[0].adopted);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, group(inFolder()).version);
        CPPUNIT_ASSERT(answer->session());
        // The new version starts beside it.
        factory_->waitUntilHeld(1);
        CPPUNIT_ASSERT(group(inFolder()).state == nameOf(GroupState::DEPLOYING));
        CPPUNIT_ASSERT(ask(inFolder())->here());
        factory_->release();
        CPPUNIT_ASSERT(eventually([&] { return group(inFolder()).version == 2; }));
        CPPUNIT_ASSERT_EQUAL(0U, log_->count("event=instance.not_adopted"));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolAdoptionTest);

}  // namespace Passenger
