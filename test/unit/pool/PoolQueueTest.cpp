// Pool: requests that wait.

#include <cppunit/extensions/HelperMacros.h>

#include "support/Eventually.h"
#include "support/PoolContract.h"

namespace Passenger {

using namespace std::chrono_literals;

class PoolQueueTest : public PoolContract {
    CPPUNIT_TEST_SUITE(PoolQueueTest);
    CPPUNIT_TEST(testARequestBeyondTheLimitOfTheQueueIsRefusedAtOnce);
    CPPUNIT_TEST(testAServedRequestMakesRoomInTheQueue);
    CPPUNIT_TEST(testARequestWhoseClientLeavesMakesRoomInTheQueue);
    CPPUNIT_TEST(testAQueueSizeOfZeroMeansNoLimit);
    CPPUNIT_TEST(testEachApplicationHasItsOwnQueue);
    CPPUNIT_TEST(testARequestThatHasWaitedTooLongIsRefused);
    CPPUNIT_TEST(testARequestIsNotRefusedBeforeItsTimeLimit);
    CPPUNIT_TEST(testARequestWithoutATimeLimitContinuesToWait);
    CPPUNIT_TEST(testARequestThatWaitsForASpawnIsRefusedAtItsTimeLimitToo);
    CPPUNIT_TEST(testAWaitingRequestIsRemovedAtOnceWhenItsClientLeaves);
    CPPUNIT_TEST(testLaterRequestsMoveUpInTheQueueWhenAClientLeaves);
    CPPUNIT_TEST(testTheInstanceStartedForAClientThatLeftServesOtherRequests);
    CPPUNIT_TEST(testARequestWhoseClientLeftStaysInTheStatistics);
    CPPUNIT_TEST(testTheSnapshotShowsTheLengthAndTheAgeOfTheQueue);
    CPPUNIT_TEST_SUITE_END();

    HeldPtr busy_;

    /** A full pool, whose only instance is busy. */
    void occupy() {
        setMax(1);
        busy_ = get();
    }
    static Options queueOf(unsigned size) {
        Options options = app();
        options.maxQueueSize = size;
        return options;
    }
    static Options waitingFor(std::chrono::milliseconds time) {
        Options options = app();
        options.maxQueueTime = time;
        return options;
    }
    AppCounters counters() const { return group().counters; }

public:
    void tearDown() override {
        busy_.reset();
        PoolContract::tearDown();
    }

    void testARequestBeyondTheLimitOfTheQueueIsRefusedAtOnce() {
        occupy();
        const std::vector<AnswerPtr> waiters{ask(queueOf(2)), ask(queueOf(2))};
        const AnswerPtr refused = ask(queueOf(2));
        CPPUNIT_ASSERT(refused->here());
        const Refusal failure = refused->failure();
        CPPUNIT_ASSERT_EQUAL(std::uint16_t{503}, failure.status);
        CPPUNIT_ASSERT_EQUAL(std::string("the application's request queue is full: 2 requests wait in it, the limit of "
                                         "PassengerMaxRequestQueueSize"),
                             failure.summary);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, counters().refused);
        CPPUNIT_ASSERT(!waiters[0]->here() && !waiters[1]->here());
    }

    void testAServedRequestMakesRoomInTheQueue() {
        occupy();
        const AnswerPtr waiter = ask(queueOf(1));
        busy_.reset();
        busy_ = waiter->session();
        CPPUNIT_ASSERT(!ask(queueOf(1))->here());
    }

    void testARequestWhoseClientLeavesMakesRoomInTheQueue() {
        occupy();
        ask(queueOf(1)).reset();
        CPPUNIT_ASSERT(!ask(queueOf(1))->here());
    }

    void testAQueueSizeOfZeroMeansNoLimit() {
        occupy();
        std::vector<AnswerPtr> waiters;
        for (int i = 0; i < 1000; i++) {
            waiters.push_back(ask(queueOf(0)));
        }
        CPPUNIT_ASSERT_EQUAL(1000U, group().queue.waiting);
    }

    void testEachApplicationHasItsOwnQueue() {
        occupy();
        const AnswerPtr waiter = ask(queueOf(1));
        Options other = app("/srv/shop");
        other.maxQueueSize = 1;
        CPPUNIT_ASSERT(!ask(other)->here());
    }

    void testARequestThatHasWaitedTooLongIsRefused() {
        occupy();
        const AnswerPtr waiter = ask(waitingFor(300ms));
        pass(300ms);
        CPPUNIT_ASSERT(waiter->here());
        CPPUNIT_ASSERT(waiter->failure().status == 504);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, counters().timedOut);
        CPPUNIT_ASSERT_EQUAL(0U, group().queue.waiting);
    }

    void testARequestIsNotRefusedBeforeItsTimeLimit() {
        occupy();
        const AnswerPtr waiter = ask(waitingFor(300ms));
        pass(299ms);
        CPPUNIT_ASSERT(!waiter->here());
        busy_.reset();
        CPPUNIT_ASSERT(waiter->session() != nullptr);
    }

    void testARequestWithoutATimeLimitContinuesToWait() {
        occupy();
        const AnswerPtr patient = ask(app());
        const AnswerPtr hasty = ask(waitingFor(300ms));
        pass(1h);
        CPPUNIT_ASSERT(hasty->here());
        CPPUNIT_ASSERT(!patient->here());
    }

    void testARequestThatWaitsForASpawnIsRefusedAtItsTimeLimitToo() {
        factory_->hold();
        const AnswerPtr waiter = ask(waitingFor(300ms));
        factory_->waitUntilHeld(1);
        pass(300ms);
        CPPUNIT_ASSERT(waiter->failure().status == 504);
        factory_->release();
        CPPUNIT_ASSERT(eventuallyServing(1));
    }

    void testAWaitingRequestIsRemovedAtOnceWhenItsClientLeaves() {
        occupy();
        AnswerPtr waiter = ask(app());
        waiter.reset();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, counters().clientsLeft);
        CPPUNIT_ASSERT_EQUAL(0U, group().queue.waiting);
    }

    void testLaterRequestsMoveUpInTheQueueWhenAClientLeaves() {
        occupy();
        AnswerPtr first = ask(app());
        const AnswerPtr second = ask(app());
        const AnswerPtr third = ask(app());
        first.reset();
        busy_.reset();
        busy_ = second->session();
        CPPUNIT_ASSERT(!third->here());
    }

    void testTheInstanceStartedForAClientThatLeftServesOtherRequests() {
        factory_->hold();
        AnswerPtr waiting = ask(app());
        factory_->waitUntilHeld(1);
        waiting.reset();
        factory_->release();
        CPPUNIT_ASSERT(eventuallyServing(1));
        CPPUNIT_ASSERT(get() != nullptr);
        CPPUNIT_ASSERT_EQUAL(1U, factory_->attempts());
    }

    void testARequestWhoseClientLeftStaysInTheStatistics() {
        occupy();
        AnswerPtr waiting = ask(app());
        clock_.advance(100ms);
        waiting.reset();
        const GroupSnapshot snapshot = group();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, snapshot.counters.clientsLeft);
        CPPUNIT_ASSERT(snapshot.queueTimes.counts[LogHistogram::bucket(100ms)] == 1);
        CPPUNIT_ASSERT_EQUAL_MESSAGE("The instance still works at the other one", std::uint64_t{1},
                                     snapshot.queueTimes.total());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, snapshot.counters.requests);
    }

    void testTheSnapshotShowsTheLengthAndTheAgeOfTheQueue() {
        setMax(1);
        busy_ = get(queueOf(5));
        const AnswerPtr first = ask(queueOf(5));
        clock_.advance(2s);
        const AnswerPtr second = ask(queueOf(5));
        const QueueStatus queue = group().queue;
        CPPUNIT_ASSERT_EQUAL(2U, queue.waiting);
        CPPUNIT_ASSERT(queue.oldest == 2);
        CPPUNIT_ASSERT_EQUAL(5U, queue.limit);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolQueueTest);

}  // namespace Passenger
