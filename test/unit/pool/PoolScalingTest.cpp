// Pool: how many instances an application gets, and which of them has the request.

#include <cppunit/extensions/HelperMacros.h>

#include "support/Eventually.h"
#include "support/PoolContract.h"

namespace Passenger {

using namespace std::chrono_literals;

class PoolScalingTest : public PoolContract {
    CPPUNIT_TEST_SUITE(PoolScalingTest);
    CPPUNIT_TEST(testABurstOfRequestsStartsSeveralInstancesAtOnce);
    CPPUNIT_TEST(testABurstOfRequestsStartsNoMoreInstancesThanItNeeds);
    CPPUNIT_TEST(testARequestThatAFreeThreadIsAboutToTakeStartsNoInstance);
    CPPUNIT_TEST(testStartInstancesComeWithTheFirstRequest);
    CPPUNIT_TEST(testStartInstancesAreNotAMinimum);
    CPPUNIT_TEST(testStartInstancesKeepTheLimits);
    CPPUNIT_TEST(testAnInstanceStartsWhenTheFirstRequestWaitsLongerThanAnAnswerTakes);
    CPPUNIT_TEST(testNoInstanceStartsWhileNoCoreIsFree);
    CPPUNIT_TEST(testAnInstanceStartsWithoutAFreeCoreIfTheQueueHardlyMoves);
    CPPUNIT_TEST(testEachFreeCoreAllowsOneFurtherInstance);
    CPPUNIT_TEST(testAFluctuatingLoadNeitherStartsNorEndsInstances);
    CPPUNIT_TEST(testTheMinimumOfInstancesStartsForASingleRequest);
    CPPUNIT_TEST(testMaxInstancesPerAppHoldsForEachApplication);
    CPPUNIT_TEST(testTheSmallerOfAnApplicationsLimitsCounts);
    CPPUNIT_TEST(testMaxPoolSizeHoldsOverAllApplications);
    CPPUNIT_TEST(testARaisedMaxPoolSizeStartsWhatWaitsAtOnce);
    CPPUNIT_TEST(testAMinimumAboveTheMaximumIsLimitedToTheMaximum);
    CPPUNIT_TEST(testAMinimumEndsWithAMaximumThatIsLower);
    CPPUNIT_TEST(testAnInstanceWithTwoThreadsServesTwoRequests);
    CPPUNIT_TEST_SUITE_END();

    /** Answers that take a tenth of a second; as a histogram tells it, from 65 to 131 ms. */
    void learnServiceTime() {
        for (int i = 0; i < 5; i++) {
            const HeldPtr session = get();
            clock_.advance(100ms);
        }
    }

public:
    void testABurstOfRequestsStartsSeveralInstancesAtOnce() {
        factory_->hold();
        const std::vector<AnswerPtr> answers{ask(app()), ask(app()), ask(app())};
        pass(50ms);
        factory_->waitUntilHeld(3);
        factory_->release();
        for (const AnswerPtr &answer : answers) {
            CPPUNIT_ASSERT(answer->comes());
        }
        CPPUNIT_ASSERT_EQUAL(3U, count());
    }

    void testABurstOfRequestsStartsNoMoreInstancesThanItNeeds() {
        setMax(6);
        factory_->hold();
        const std::vector<AnswerPtr> answers{ask(app()), ask(app())};
        pass(50ms);
        factory_->waitUntilHeld(2);
        pass(1s);
        CPPUNIT_ASSERT_EQUAL(2U, factory_->attempts());
    }

    void testARequestThatAFreeThreadIsAboutToTakeStartsNoInstance() {
        setMax(6);
        // Without a step, the instances take nothing.
        const AnswerPtr first = requests_->ask(app());
        const AnswerPtr second = requests_->ask(app());
        CPPUNIT_ASSERT(eventually([this] { return pool_->getCount() == 2 && pool_->inspect().size == 2; }));
        pool_->rescale();
        CPPUNIT_ASSERT_EQUAL(2U, factory_->attempts());
    }

    void testStartInstancesComeWithTheFirstRequest() {
        Options options = app();
        options.startInstances = 3;
        get(options).reset();
        CPPUNIT_ASSERT(eventuallyServing(3));
    }

    void testStartInstancesAreNotAMinimum() {
        Options options = app();
        options.startInstances = 3;
        get(options).reset();
        CPPUNIT_ASSERT(eventuallyServing(3));
        advance(100s, 5s);
        CPPUNIT_ASSERT(eventuallyCount(0));
    }

    void testStartInstancesKeepTheLimits() {
        Options options = app();
        options.startInstances = 9;
        get(options).reset();
        CPPUNIT_ASSERT(eventuallyServing(3));
        pool_->clear();
        options = app("/srv/shop");
        options.startInstances = 9;
        options.maxInstances = 2;
        setMax(20);
        get(options).reset();
        CPPUNIT_ASSERT(eventuallyServing(2, options));
        CPPUNIT_ASSERT_EQUAL(5U, factory_->attempts());
    }

    void testAnInstanceStartsWhenTheFirstRequestWaitsLongerThanAnAnswerTakes() {
        learnServiceTime();
        const HeldPtr session = get();
        const AnswerPtr waiter = ask(app());
        pass(60ms);
        CPPUNIT_ASSERT_EQUAL(1U, factory_->attempts());
        pass(80ms);
        CPPUNIT_ASSERT(waiter->comes());
        CPPUNIT_ASSERT_EQUAL(2U, factory_->attempts());
    }

    void testNoInstanceStartsWhileNoCoreIsFree() {
        learnServiceTime();
        cpu_.idle = 0.9;
        const HeldPtr session = get();
        const AnswerPtr waiter = ask(app());
        pass(500ms);
        CPPUNIT_ASSERT_EQUAL(1U, factory_->attempts());
        cpu_.idle = 1;
        pass(50ms);
        CPPUNIT_ASSERT(waiter->comes());
    }

    void testAnInstanceStartsWithoutAFreeCoreIfTheQueueHardlyMoves() {
        learnServiceTime();
        cpu_.idle = 0;
        const HeldPtr session = get();
        const AnswerPtr waiter = ask(app());
        pass(700ms);
        const AnswerPtr later = ask(app());
        CPPUNIT_ASSERT_EQUAL(1U, factory_->attempts());
        pass(700ms);
        CPPUNIT_ASSERT(waiter->comes());
        CPPUNIT_ASSERT_EQUAL(2U, factory_->attempts());
        CPPUNIT_ASSERT(!later->here());
    }

    void testEachFreeCoreAllowsOneFurtherInstance() {
        setMax(9);
        learnServiceTime();
        const HeldPtr session = get();
        const std::vector<AnswerPtr> waiters{ask(app()), ask(app()), ask(app()), ask(app())};
        cpu_.idle = 2.5;
        factory_->hold();
        pass(150ms);
        factory_->waitUntilHeld(2);
        CPPUNIT_ASSERT_EQUAL(2U, group().starting);
    }

    void testAFluctuatingLoadNeitherStartsNorEndsInstances() {
        for (int i = 0; i < 30; i++) {
            warmUp(2);
            advance(5s, 1s);
            warmUp(1);
            advance(5s, 1s);
        }
        CPPUNIT_ASSERT_EQUAL(2U, factory_->spawned());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, group().counters.idled);
    }

    void testTheMinimumOfInstancesStartsForASingleRequest() {
        Options options = app();
        options.minInstances = 3;
        const HeldPtr session = get(options);
        CPPUNIT_ASSERT(eventuallyServing(3));
        CPPUNIT_ASSERT_EQUAL(1U, pool_->getActive());
    }

    void testMaxInstancesPerAppHoldsForEachApplication() {
        PoolSettings limited = settings();
        limited.maxSize = 9;
        limited.maxInstancesPerApp = 2;
        pool_->configure(limited);
        for (const char *root : {"/srv/blog", "/srv/shop"}) {
            const std::vector<AnswerPtr> answers{ask(app(root)), ask(app(root)), ask(app(root))};
            CPPUNIT_ASSERT(eventuallyServing(2, app(root)));
            CPPUNIT_ASSERT(!answers[2]->here());
            CPPUNIT_ASSERT_EQUAL(2U, group(app(root)).maxInstances);
        }
        CPPUNIT_ASSERT_EQUAL(4U, count());
    }

    void testTheSmallerOfAnApplicationsLimitsCounts() {
        PoolSettings limited = settings();
        limited.maxInstancesPerApp = 2;
        pool_->configure(limited);
        Options options = app();
        options.maxInstances = 3;
        get(options).reset();
        CPPUNIT_ASSERT_EQUAL(2U, group().maxInstances);
        options = app("/srv/shop");
        options.maxInstances = 1;
        get(options).reset();
        CPPUNIT_ASSERT_EQUAL(1U, group(options).maxInstances);
    }

    void testMaxPoolSizeHoldsOverAllApplications() {
        std::vector<AnswerPtr> answers;
        for (const char *root : {"/srv/blog", "/srv/shop", "/srv/wiki", "/srv/chat"}) {
            answers.push_back(ask(app(root)));
            answers.push_back(ask(app(root)));
            CPPUNIT_ASSERT(size() <= 3);
        }
        CPPUNIT_ASSERT(eventuallyCount(3));
        CPPUNIT_ASSERT_EQUAL(3U, factory_->attempts());
    }

    /** As at a reload; no timer is needed. */
    void testARaisedMaxPoolSizeStartsWhatWaitsAtOnce() {
        const HeldPtr blog = get(app("/srv/blog"));
        const HeldPtr shop = get(app("/srv/shop"));
        const HeldPtr wiki = get(app("/srv/wiki"));
        const AnswerPtr chat = ask(app("/srv/chat"));
        const AnswerPtr mail = ask(app("/srv/mail"));
        CPPUNIT_ASSERT_EQUAL(3U, factory_->attempts());
        PoolSettings larger = settings();
        for (const AnswerPtr *answer : {&chat, &mail}) {
            larger.maxSize++;
            pool_->configure(larger);
            CPPUNIT_ASSERT(eventuallyCount(larger.maxSize));
            CPPUNIT_ASSERT(eventually([&] { return step(), (*answer)->here(); }));
        }
        CPPUNIT_ASSERT_EQUAL(5U, factory_->attempts());
    }

    void testAMinimumAboveTheMaximumIsLimitedToTheMaximum() {
        Options options = app();
        options.minInstances = 9;
        get(options).reset();
        CPPUNIT_ASSERT(eventuallyServing(3));
        advance(600s, 10s);
        CPPUNIT_ASSERT_EQUAL(3U, factory_->attempts());
    }

    void testAMinimumEndsWithAMaximumThatIsLower() {
        Options options = app();
        options.minInstances = 3;
        get(options).reset();
        CPPUNIT_ASSERT(eventuallyServing(3));
        PoolSettings limits = settings();
        limits.maxSize = 3;
        limits.maxInstancesPerApp = 1;
        pool_->configure(limits);
        advance(900s, 10s);
        CPPUNIT_ASSERT(eventuallyServing(1));
    }

    void testAnInstanceWithTwoThreadsServesTwoRequests() {
        Options options = app();
        options.threads = 2;
        const HeldPtr first = get(options);
        const HeldPtr second = get(options);
        CPPUNIT_ASSERT_EQUAL(instanceOf(first), instanceOf(second));
        const HeldPtr third = get(options);
        CPPUNIT_ASSERT(instanceOf(third) != instanceOf(first));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolScalingTest);

}  // namespace Passenger
