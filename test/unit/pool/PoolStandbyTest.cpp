// Pool: where only one instance may serve, its successor waits for its end.

#include <cppunit/extensions/HelperMacros.h>

#include <utility>

#include "io/FrameSocket.h"
#include "io/SocketPair.h"
#include "support/Eventually.h"
#include "support/PoolContract.h"

namespace Passenger {

using namespace std::chrono_literals;

class PoolStandbyTest : public PoolContract {
    CPPUNIT_TEST_SUITE(PoolStandbyTest);
    CPPUNIT_TEST(testTheNewInstanceServesAfterTheLastAnswerOfTheOldInstance);
    CPPUNIT_TEST(testAnIdleOldInstanceEndsAtOnce);
    CPPUNIT_TEST(testAnInstanceOfANewVersionStandsByToo);
    CPPUNIT_TEST(testWithoutRollingRestartsTheNewInstanceStartsAfterTheOldInstanceEnded);
    CPPUNIT_TEST(testTheNewInstanceServesWhenTheOldInstanceDies);
    CPPUNIT_TEST(testTheStandbyServesUntilTheVersionOfALaterRestartHasLoaded);
    CPPUNIT_TEST(testARestartDuringStandbyThatFailsLeavesTheStandby);
    CPPUNIT_TEST(testWithoutRollingRestartsARestartEndsTheStandby);
    CPPUNIT_TEST(testAVersionThatIsNotReadyToServeLeavesTheOldInstanceServing);
    CPPUNIT_TEST(testAStandbyThatDiesIsStartedAgainWhileTheOldInstanceWorks);
    CPPUNIT_TEST(testAPauseThatEndsLeavesTheStandbyPaused);
    CPPUNIT_TEST(testARestartDuringAReplacementLeavesOneInstance);
    CPPUNIT_TEST(testClearEndsTheStandbyInstance);
    CPPUNIT_TEST(testThePoolsEndEndsTheStandbyInstance);
    CPPUNIT_TEST(testADetachedInstanceEndsBeforeTheNextInstanceStarts);
    CPPUNIT_TEST(testARaisedLimitLetsTheStandbyInstanceServeAtOnce);
    CPPUNIT_TEST_SUITE_END();

    Options alone() const {
        Options options = inFolder();
        options.maxInstances = 1;
        options.memoryLimit = 1;
        return options;
    }
    void useTooMuch() {
        clock_.advance(std::chrono::minutes(1));
        for (const ProcessSnapshot &process : instances(alone())) {
            setMemory(process.id, std::uint64_t{2} * 1024 * 1024);
        }
        pool_->checkMemory();
    }
    std::size_t count(Process::State state) const { return instancesThat(state, alone()).size(); }
    bool eventuallyStandsBy() const {
        return eventually([this] { return count(Process::State::STANDBY) == 1; });
    }
    /** Replaces a busy instance. @return its session */
    HeldPtr standBy() {
        HeldPtr session = get(alone());
        useTooMuch();
        CPPUNIT_ASSERT(eventuallyStandsBy());
        return session;
    }

public:
    void testTheNewInstanceServesAfterTheLastAnswerOfTheOldInstance() {
        HeldPtr session = standBy();
        const DummyInstance *old = instanceOf(session);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, count(Process::State::DRAINING));
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, count(Process::State::SERVING));
        const AnswerPtr waiter = ask(alone());
        advance(10s, 1s);
        CPPUNIT_ASSERT(!waiter->here());
        session.reset();
        session = waiter->session();
        CPPUNIT_ASSERT(instanceOf(session) != old);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, count(Process::State::SERVING));
        CPPUNIT_ASSERT_EQUAL(2U, factory_->attempts());
    }

    void testARaisedLimitLetsTheStandbyInstanceServeAtOnce() {
        Options options = alone();
        options.maxInstances = 0;
        PoolSettings limits = settings();
        limits.maxInstancesPerApp = 1;
        pool_->configure(limits);
        const HeldPtr session = get(options);
        useTooMuch();
        CPPUNIT_ASSERT(eventuallyStandsBy());
        const AnswerPtr waiter = ask(options);
        limits.maxInstancesPerApp = 3;
        pool_->configure(limits);
        pass(1s);
        CPPUNIT_ASSERT(waiter->session());
    }

    void testAnIdleOldInstanceEndsAtOnce() {
        get(alone()).reset();
        useTooMuch();
        CPPUNIT_ASSERT(eventually([this] { return group(alone()).counters.replaced == 1; }));
        CPPUNIT_ASSERT(eventuallyServing(1, alone()));
        CPPUNIT_ASSERT_EQUAL(1U, size());
    }

    void testAnInstanceOfANewVersionStandsByToo() {
        HeldPtr session = get(alone());
        restart();
        CPPUNIT_ASSERT(eventuallyStandsBy());
        CPPUNIT_ASSERT(group(alone()).state == nameOf(GroupState::STARTING));
        const AnswerPtr waiter = ask(alone());
        session.reset();
        CPPUNIT_ASSERT(waiter->session() != nullptr);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, instances(alone())[0].version);
    }

    void testWithoutRollingRestartsTheNewInstanceStartsAfterTheOldInstanceEnded() {
        Options options = alone();
        options.rollingRestarts = false;
        HeldPtr session = get(options);
        restart();
        const AnswerPtr waiter = ask(options);
        advance(5s, 1s);
        CPPUNIT_ASSERT_EQUAL(1U, factory_->attempts());
        session.reset();
        CPPUNIT_ASSERT(waiter->comes());
        CPPUNIT_ASSERT_EQUAL(2U, factory_->attempts());
    }

    void testTheNewInstanceServesWhenTheOldInstanceDies() {
        const HeldPtr session = standBy();
        const AnswerPtr waiter = ask(alone());
        die(0);
        CPPUNIT_ASSERT(waiter->comes());
        CPPUNIT_ASSERT_EQUAL(2U, factory_->attempts());
        CPPUNIT_ASSERT_EQUAL_MESSAGE("It had been told to", std::uint64_t{0}, group(alone()).counters.died);
    }

    void testTheStandbyServesUntilTheVersionOfALaterRestartHasLoaded() {
        HeldPtr session = standBy();
        restart();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, count(Process::State::STANDBY));
        CPPUNIT_ASSERT_EQUAL_MESSAGE("There are never three", 2U, factory_->attempts());
        factory_->hold();
        const AnswerPtr waiter = ask(alone());
        session.reset();
        waiter->session().reset();
        factory_->release();
        CPPUNIT_ASSERT(eventually([this] { return group(alone()).version == 2; }));
        CPPUNIT_ASSERT(eventually([this] { return size() == 1 && count(Process::State::SERVING) == 1; }));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, instances(alone())[0].version);
    }

    void testARestartDuringStandbyThatFailsLeavesTheStandby() {
        HeldPtr session = get(alone());
        restart();
        CPPUNIT_ASSERT(eventuallyStandsBy());
        factory_->failuresToCome = 1;
        restart();
        const AnswerPtr waiter = ask(alone());
        session.reset();
        session = waiter->session();
        CPPUNIT_ASSERT(eventuallyState(GroupState::DEPLOY_FAILED, alone()));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, group(alone()).version);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, count(Process::State::SERVING));
    }

    void testWithoutRollingRestartsARestartEndsTheStandby() {
        Options options = alone();
        options.rollingRestarts = false;
        HeldPtr session = get(options);
        useTooMuch();
        CPPUNIT_ASSERT(eventuallyStandsBy());
        restart();
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, count(Process::State::STANDBY));
        const AnswerPtr waiter = ask(options);
        session.reset();
        session = waiter->session();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, instances(options)[0].version);
        CPPUNIT_ASSERT_EQUAL(1U, size());
    }

    void testAVersionThatIsNotReadyToServeLeavesTheOldInstanceServing() {
        HeldPtr session = get(alone());
        const DummyInstance *old = instanceOf(session);
        factory_->makeResult = [this](const Options &) {
            SpawnResult result = factory_->instances().make();
            // The process ends in a hook of the application.
            result.control = FrameSocket(std::move(makeStreamPair().first));
            return result;
        };
        restart();
        CPPUNIT_ASSERT(eventuallyState(GroupState::DEPLOY_FAILED, alone()));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, count(Process::State::SERVING));
        CPPUNIT_ASSERT_EQUAL(0U, log_->count("event=deploy.done"));
        const AnswerPtr waiter = ask(alone());
        session.reset();
        CPPUNIT_ASSERT_EQUAL(old, instanceOf(waiter->session()));
    }

    void testAStandbyThatDiesIsStartedAgainWhileTheOldInstanceWorks() {
        HeldPtr session = get(alone());
        restart();
        CPPUNIT_ASSERT(eventuallyStandsBy());
        const AnswerPtr waiter = ask(alone());
        die(1);
        CPPUNIT_ASSERT(eventually([this] {
            upkeep();
            return factory_->attempts() == 3;
        }));
        CPPUNIT_ASSERT(eventuallyStandsBy());
        CPPUNIT_ASSERT(!waiter->here());
        session.reset();
        CPPUNIT_ASSERT(waiter->session());
        CPPUNIT_ASSERT_EQUAL(3U, factory_->attempts());
    }

    void testAPauseThatEndsLeavesTheStandbyPaused() {
        HeldPtr session = standBy();
        CPPUNIT_ASSERT(pool_->pause(group(alone()).name, 1h));
        CPPUNIT_ASSERT(pool_->resume(group(alone()).name));
        const AnswerPtr waiter = ask(alone());
        get(app("/srv/other")).reset();
        CPPUNIT_ASSERT(!waiter->here());
        session.reset();
        CPPUNIT_ASSERT(waiter->session());
    }

    void testARestartDuringAReplacementLeavesOneInstance() {
        HeldPtr session = get(alone());
        factory_->hold();
        useTooMuch();
        factory_->waitUntilHeld(1);
        restart();
        const AnswerPtr waiter = ask(alone());
        factory_->release();
        CPPUNIT_ASSERT(eventuallyStandsBy());
        for (int i = 0; i < 10; i++) {
            CPPUNIT_ASSERT(size() <= 2);
            advance(1s, 1s);
        }
        session.reset();
        session = waiter->session();
        CPPUNIT_ASSERT(eventually([this] { return group(alone()).version == 2; }));
        session.reset();
        CPPUNIT_ASSERT(eventually([this] { return size() == 1 && count(Process::State::SERVING) == 1; }));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, instances(alone())[0].version);
    }

    void testClearEndsTheStandbyInstance() {
        HeldPtr session = standBy();
        pool_->clear();
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, count(Process::State::STANDBY));
        session.reset();
        CPPUNIT_ASSERT_EQUAL(0U, size());
        CPPUNIT_ASSERT(get(alone()) != nullptr);
    }

    void testThePoolsEndEndsTheStandbyInstance() {
        HeldPtr session = standBy();
        const AnswerPtr waiter = ask(alone());
        pool_->shutDown();
        CPPUNIT_ASSERT(waiter->failure().status == 503);
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, count(Process::State::STANDBY));
        session.reset();
        CPPUNIT_ASSERT_EQUAL(0U, size());
    }

    void testADetachedInstanceEndsBeforeTheNextInstanceStarts() {
        HeldPtr session = get(alone());
        CPPUNIT_ASSERT(pool_->detach(instances(alone())[0].id));
        advance(5s, 1s);
        CPPUNIT_ASSERT_EQUAL(1U, factory_->attempts());
        session.reset();
        CPPUNIT_ASSERT(eventuallyServing(1, alone()));
        CPPUNIT_ASSERT_EQUAL(1U, size());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolStandbyTest);

}  // namespace Passenger
