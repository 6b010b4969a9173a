#include "pool/Pool.h"

#include <cppunit/extensions/HelperMacros.h>

#include "support/Aborts.h"
#include "support/Eventually.h"
#include "support/Expect.h"
#include "support/PoolFixture.h"
#include "support/TestThread.h"

namespace Passenger {

class PoolTest : public PoolFixture {
    CPPUNIT_TEST_SUITE(PoolTest);
    CPPUNIT_TEST(testTheFirstRequestSpawnsAnInstance);
    CPPUNIT_TEST(testAnIdleInstanceIsUsedAgain);
    CPPUNIT_TEST(testABusyInstanceMakesThePoolSpawnAnother);
    CPPUNIT_TEST(testApplicationsDoNotShareInstances);
    CPPUNIT_TEST(testTwoNamesOfOneGroupShareInstances);
    CPPUNIT_TEST(testMinInstancesAreSpawnedWithTheFirstRequest);
    CPPUNIT_TEST(testARequestWaitsWhenThePoolIsFull);
    CPPUNIT_TEST(testAnApplicationKeepsItsOwnLimit);
    CPPUNIT_TEST(testWaitingRequestsAreServedInTheirOrder);
    CPPUNIT_TEST(testAWaitingRequestGetsTheInstanceThatBecomesFree);
    CPPUNIT_TEST(testAFullPoolMakesRoomByEvictingAnotherApplicationsIdleInstance);
    CPPUNIT_TEST(testAFullPoolEvictsTheInstanceThatHasBeenIdleForTheLongestTime);
    CPPUNIT_TEST(testABusyInstanceIsNeverEvicted);
    CPPUNIT_TEST(testALoweredMaximumEndsNoBusyInstanceAndStartsNone);
    CPPUNIT_TEST(testIdleInstancesAboveALoweredMaximumEnd);
    CPPUNIT_TEST(testALoweredMaximumHoldsBeforeMinimums);
    CPPUNIT_TEST(testAnInstanceAboveALoweredMaximumEndsOnceItIsIdle);
    CPPUNIT_TEST(testALoweredMaximumStillLetsOtherApplicationsIn);
    CPPUNIT_TEST(testARaisedMaximumServesAWaitingRequest);
    CPPUNIT_TEST(testActiveInstancesAreThoseWithASession);
    CPPUNIT_TEST(testTheSpawnServersPidIsTheFactorys);
    CPPUNIT_TEST(testARequestCanBeginOnTheEventLoop);
    CPPUNIT_TEST(testAFailedSpawnRefusesAllWaitingRequests);
    CPPUNIT_TEST(testAfterAFailedSpawnTheNextRequestTriesAgain);
    CPPUNIT_TEST(testAFailedSpawnRefusesNoRequestWhileOtherInstancesServe);
    CPPUNIT_TEST(testThePoolWaitsAfterAFailedSpawnThoughOtherInstancesServe);
    CPPUNIT_TEST(testASpawnGetsTheOptionsOfTheLatestRequest);
    CPPUNIT_TEST(testThePoolsEndRefusesARequestThatWaitsForASpawn);
    CPPUNIT_TEST(testThePoolsEndRefusesARequestThatWaitsInAFullPool);
    CPPUNIT_TEST(testARequestAfterShutDownIsRefused);
    CPPUNIT_TEST(testASessionThatStartsAfterShutDownIsRefused);
    CPPUNIT_TEST(testThePoolsEndEndsItsSpawners);
    CPPUNIT_TEST(testDestroyingAPoolOnItsLoopIsLoggedAndAborts);
    CPPUNIT_TEST_SUITE_END();

    /** Of the application with this folder. */
    unsigned instancesOf(const std::string &root) const {
        for (const GroupSnapshot &group : pool_->inspect().groups) {
            if (group.root == root) {
                return static_cast<unsigned>(group.processes.size());
            }
        }
        CPPUNIT_FAIL("The pool does not know " + root);
    }

public:
    void testTheFirstRequestSpawnsAnInstance() {
        CPPUNIT_ASSERT_EQUAL(0U, count());
        const HeldPtr session = get();
        CPPUNIT_ASSERT_EQUAL(1U, count());
        CPPUNIT_ASSERT_EQUAL(1U, factory_->spawned());
    }

    void testAnIdleInstanceIsUsedAgain() {
        HeldPtr session = get();
        const DummyInstance *first = instanceOf(session);
        session.reset();
        session = get();
        CPPUNIT_ASSERT_EQUAL(first, instanceOf(session));
        CPPUNIT_ASSERT_EQUAL(1U, factory_->spawned());
    }

    void testABusyInstanceMakesThePoolSpawnAnother() {
        const HeldPtr first = get();
        const HeldPtr second = get();
        CPPUNIT_ASSERT(instanceOf(first) != instanceOf(second));
        CPPUNIT_ASSERT_EQUAL(2U, count());
    }

    void testApplicationsDoNotShareInstances() {
        get(app("/srv/blog")).reset();
        get(app("/srv/shop")).reset();
        CPPUNIT_ASSERT_EQUAL(2U, count());
        CPPUNIT_ASSERT_EQUAL(1U, instancesOf("/srv/blog"));
        CPPUNIT_ASSERT_EQUAL(1U, instancesOf("/srv/shop"));
    }

    void testTwoNamesOfOneGroupShareInstances() {
        Options one = app("/srv/blog");
        one.appGroupName = "blog";
        Options other = app("/srv/./blog");
        other.appGroupName = "blog";
        get(one).reset();
        get(other).reset();
        CPPUNIT_ASSERT_EQUAL(1U, count());
    }

    void testMinInstancesAreSpawnedWithTheFirstRequest() {
        Options options = app();
        options.minInstances = 2;
        get(options).reset();
        CPPUNIT_ASSERT(eventuallyCount(2));
    }

    void testARequestWaitsWhenThePoolIsFull() {
        setMax(1);
        HeldPtr session = get();
        const AnswerPtr waiter = ask(app());
        CPPUNIT_ASSERT(!waiter->here());
        CPPUNIT_ASSERT_EQUAL(1U, factory_->attempts());
        session.reset();
        CPPUNIT_ASSERT(waiter->comes());
    }

    void testAnApplicationKeepsItsOwnLimit() {
        Options options = app();
        options.maxInstances = 1;
        const HeldPtr session = get(options);
        const AnswerPtr waiter = ask(options);
        const HeldPtr other = get(app("/srv/shop"));
        CPPUNIT_ASSERT(!waiter->here());
        CPPUNIT_ASSERT_EQUAL(2U, factory_->attempts());
    }

    void testWaitingRequestsAreServedInTheirOrder() {
        setMax(1);
        HeldPtr session = get();
        std::vector<AnswerPtr> waiters{ask(app()), ask(app()), ask(app())};
        for (std::size_t i = 0; i < waiters.size(); i++) {
            session.reset();
            CPPUNIT_ASSERT(waiters[i]->comes());
            for (std::size_t later = i + 1; later < waiters.size(); later++) {
                CPPUNIT_ASSERT(!waiters[later]->here());
            }
            session = waiters[i]->session();
        }
    }

    void testAWaitingRequestGetsTheInstanceThatBecomesFree() {
        setMax(2);
        const HeldPtr first = get();
        HeldPtr second = get();
        const DummyInstance *freed = instanceOf(second);
        const AnswerPtr waiter = ask(app());
        second.reset();
        CPPUNIT_ASSERT_EQUAL(freed, instanceOf(waiter->session()));
    }

    void testAFullPoolMakesRoomByEvictingAnotherApplicationsIdleInstance() {
        setMax(1);
        get(app("/srv/blog")).reset();
        get(app("/srv/shop")).reset();
        CPPUNIT_ASSERT_EQUAL(0U, instancesOf("/srv/blog"));
        CPPUNIT_ASSERT_EQUAL(1U, instancesOf("/srv/shop"));
    }

    void testAFullPoolEvictsTheInstanceThatHasBeenIdleForTheLongestTime() {
        setMax(2);
        get(app("/srv/old")).reset();
        clock_.advance(std::chrono::seconds(1));
        get(app("/srv/young")).reset();
        get(app("/srv/new")).reset();
        CPPUNIT_ASSERT_EQUAL(0U, instancesOf("/srv/old"));
        CPPUNIT_ASSERT_EQUAL(1U, instancesOf("/srv/young"));
    }

    void testABusyInstanceIsNeverEvicted() {
        setMax(1);
        HeldPtr session = get(app("/srv/blog"));
        const AnswerPtr waiter = ask(app("/srv/shop"));
        CPPUNIT_ASSERT(!waiter->here());
        CPPUNIT_ASSERT_EQUAL(1U, pool_->getActive());
        session.reset();
        // An instance tells nobody when it has become idle.
        pass(std::chrono::milliseconds(100));
        CPPUNIT_ASSERT(waiter->comes());
        CPPUNIT_ASSERT_EQUAL(1U, count());
    }

    void testALoweredMaximumEndsNoBusyInstanceAndStartsNone() {
        HeldPtr first = get();
        const HeldPtr second = get();
        setMax(1);
        CPPUNIT_ASSERT_EQUAL(2U, count());
        const AnswerPtr waiter = ask(app());
        CPPUNIT_ASSERT(!waiter->here());
        first.reset();
        CPPUNIT_ASSERT(waiter->comes());
        CPPUNIT_ASSERT_EQUAL(2U, factory_->attempts());
    }

    void testIdleInstancesAboveALoweredMaximumEnd() {
        warmUp(3);
        const HeldPtr session = get();
        setMax(2);
        CPPUNIT_ASSERT(eventuallyCount(2));
        CPPUNIT_ASSERT_EQUAL(1U, pool_->getActive());
    }

    void testALoweredMaximumHoldsBeforeMinimums() {
        setMax(6);
        Options blog = app("/srv/blog");
        Options shop = app("/srv/shop");
        blog.minInstances = shop.minInstances = 3;
        get(blog).reset();
        CPPUNIT_ASSERT(eventually([this] { return count() == 3; }));
        clock_.advance(std::chrono::seconds(1));
        get(shop).reset();
        CPPUNIT_ASSERT(eventually([this] { return count() == 6; }));
        setMax(2);
        CPPUNIT_ASSERT(eventuallyCount(2));
        CPPUNIT_ASSERT_EQUAL(2U, instancesOf("/srv/shop"));
        advance(std::chrono::seconds(60), std::chrono::seconds(1));
        CPPUNIT_ASSERT_EQUAL(2U, count());
        CPPUNIT_ASSERT_EQUAL(6U, factory_->attempts());
    }

    void testAnInstanceAboveALoweredMaximumEndsOnceItIsIdle() {
        Options options = app();
        options.minInstances = 2;
        HeldPtr first = get(options);
        HeldPtr second = get(options);
        setMax(1);
        CPPUNIT_ASSERT_EQUAL(2U, count());
        first.reset();
        advance(std::chrono::seconds(60), std::chrono::seconds(1));
        CPPUNIT_ASSERT(eventuallyCount(1));
        second.reset();
        advance(std::chrono::seconds(60), std::chrono::seconds(1));
        CPPUNIT_ASSERT_EQUAL(1U, count());
    }

    void testALoweredMaximumStillLetsOtherApplicationsIn() {
        warmUp(3, app("/srv/blog"));
        setMax(1);
        get(app("/srv/shop")).reset();
        CPPUNIT_ASSERT(eventuallyCount(1));
    }

    void testARaisedMaximumServesAWaitingRequest() {
        setMax(1);
        const HeldPtr session = get();
        const AnswerPtr waiter = ask(app());
        setMax(2);
        CPPUNIT_ASSERT(waiter->comes());
    }

    void testActiveInstancesAreThoseWithASession() {
        HeldPtr first = get();
        const HeldPtr second = get();
        CPPUNIT_ASSERT_EQUAL(2U, pool_->getActive());
        first.reset();
        CPPUNIT_ASSERT_EQUAL(1U, pool_->getActive());
        CPPUNIT_ASSERT_EQUAL(2U, count());
    }

    void testTheSpawnServersPidIsTheFactorys() {
        factory_->reportedSpawnServerPid = 4711;
        CPPUNIT_ASSERT_EQUAL(pid_t{4711}, pool_->getSpawnServerPid());
    }

    void testARequestCanBeginOnTheEventLoop() {
        AnswerPtr answer;
        loop_->runSync([&] { answer = requests_->ask(app()); });
        CPPUNIT_ASSERT(answer->comes());
    }

    void testAFailedSpawnRefusesAllWaitingRequests() {
        Options options = app();
        options.maxInstances = 1;
        factory_->hold();
        factory_->failuresToCome = 1;
        const AnswerPtr first = ask(options);
        const AnswerPtr second = ask(options);
        factory_->waitUntilHeld(1);
        factory_->release();
        CPPUNIT_ASSERT_EQUAL(std::string("a failure was ordered"), first->failure().summary);
        CPPUNIT_ASSERT(first->failure().status == 500);
        CPPUNIT_ASSERT_EQUAL(std::string("The dummy spawner was told to fail.\n"),
                             pool_->report(second->failure().reportId, app().groupName())->parts.at(0).text);
        CPPUNIT_ASSERT_MESSAGE("The log can be searched for what people are shown",
                               log_->contains("report=" + first->failure().reportId));
        CPPUNIT_ASSERT_EQUAL(1U, factory_->attempts());
    }

    void testAfterAFailedSpawnTheNextRequestTriesAgain() {
        factory_->failuresToCome = 1;
        ask(app())->failure();
        clock_.advance(std::chrono::seconds(1));
        CPPUNIT_ASSERT(ask(app())->session() != nullptr);
    }

    void testAFailedSpawnRefusesNoRequestWhileOtherInstancesServe() {
        HeldPtr session = get();
        factory_->failuresToCome = 1;
        const AnswerPtr waiter = ask(app());
        CPPUNIT_ASSERT(eventually([this] { return log_->contains("event=spawn.failed"); }));
        CPPUNIT_ASSERT(!waiter->here());
        session.reset();
        CPPUNIT_ASSERT(waiter->session() != nullptr);
    }

    void testThePoolWaitsAfterAFailedSpawnThoughOtherInstancesServe() {
        const HeldPtr session = get();
        factory_->failuresToCome = 1;
        const AnswerPtr waiter = ask(app());
        CPPUNIT_ASSERT(eventually([this] { return log_->contains("event=spawn.failed"); }));
        pool_->rescale();
        CPPUNIT_ASSERT_EQUAL(2U, factory_->attempts());
        clock_.advance(std::chrono::seconds(5));
        pool_->rescale();
        CPPUNIT_ASSERT(waiter->comes());
        CPPUNIT_ASSERT_EQUAL(3U, factory_->attempts());
    }

    void testASpawnGetsTheOptionsOfTheLatestRequest() {
        std::vector<std::string> seen;
        factory_->beforeSpawn = [&](const Options &options) { seen.push_back(options.baseUri); };
        Options options = app();
        options.baseUri = "/one";
        get(options).reset();
        pool_->clear();
        options.baseUri = "/two";
        get(options).reset();
        CPPUNIT_ASSERT((seen == std::vector<std::string>{"/one", "/two"}));
    }

    void testThePoolsEndRefusesARequestThatWaitsForASpawn() {
        factory_->hold();
        {
            const AnswerPtr waiter = ask(app());
            factory_->waitUntilHeld(1);
            pool_->shutDown();
            CPPUNIT_ASSERT(waiter->here());
            CPPUNIT_ASSERT(waiter->failure().status == 503);
        }
        endPool();
        CPPUNIT_ASSERT_EQUAL(0U, factory_->spawned());
    }

    void testThePoolsEndRefusesARequestThatWaitsInAFullPool() {
        setMax(1);
        const HeldPtr session = get();
        const AnswerPtr waiter = ask(app());
        pool_->shutDown();
        CPPUNIT_ASSERT(waiter->failure().status == 503);
    }

    void testARequestAfterShutDownIsRefused() {
        pool_->shutDown();
        CPPUNIT_ASSERT(ask(app())->failure().status == 503);
        const auto error = thrownBy<IOException>([this] { pool_->get(app()); });
        CPPUNIT_ASSERT_EQUAL(std::string("the application pool is shutting down"), std::string(error.what()));
        CPPUNIT_ASSERT_EQUAL(0U, factory_->attempts());
    }

    void testASessionThatStartsAfterShutDownIsRefused() {
        const MessageSessionPtr session = pool_->get(app());
        pool_->shutDown();
        const std::optional<Reply> refusal = session->start({});
        CPPUNIT_ASSERT(refusal.has_value() && refusal->kind == Reply::Kind::REFUSED);
        CPPUNIT_ASSERT_EQUAL(std::uint16_t{503}, refusal->status);
    }

    void testThePoolsEndEndsItsSpawners() {
        get(app("/srv/blog")).reset();
        get(app("/srv/shop")).reset();
        CPPUNIT_ASSERT_EQUAL(2U, factory_->alive());
        endPool();
        CPPUNIT_ASSERT_EQUAL(0U, factory_->alive());
    }

    void testDestroyingAPoolOnItsLoopIsLoggedAndAborts() {
        // Without other threads, which a fork would leave behind.
        endPool();
        channels_.reset();
        loop_.reset();
        CPPUNIT_ASSERT(aborts([this] {
            EventLoop loop;
            ChannelRegistry channels(loop);
            auto pool =
                std::make_unique<Pool>(Pool::Parts{loop, *factory_, channels, clock_, store_, cpu_}, PoolSettings());
            loop.runSync([&] { pool.reset(); });
        }));
        CPPUNIT_ASSERT(log_->contains("event=pool.misuse"));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolTest);

}  // namespace Passenger
