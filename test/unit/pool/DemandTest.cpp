#include "pool/Demand.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pool/Deadlines.h"
#include "support/GroupParts.h"

namespace Passenger {

using std::chrono::seconds;

class DemandTest : public GroupParts {
    CPPUNIT_TEST_SUITE(DemandTest);
    CPPUNIT_TEST(testAChildThatAskedForTheQueueIsExpectedToSendForAWhile);
    CPPUNIT_TEST(testTheInstancesOfAnEventLoopWithWhichItStartsStay);
    CPPUNIT_TEST(testAnAsgiApplicationThatWasFoundNeedsNoFurtherInstanceForRequests);
    CPPUNIT_TEST(testARequestWaitsAboveTheCapacity);
    CPPUNIT_TEST(testARequestWaitsBesideAnAbandonedOne);
    CPPUNIT_TEST(testRequestsThatAreRefusedForTheTargetNeedInstances);
    CPPUNIT_TEST(testRefusalsBeforeAnInstanceCameOrLongAgoNeedNone);
    CPPUNIT_TEST(testTheNumberOfInstancesBeforeADeathIsRestored);
    CPPUNIT_TEST(testInstancesThatWereNotNeededForTheIdleTimeAreSurplus);
    CPPUNIT_TEST(testManyIdleApplicationsWakeTheAgentOnceASecondAtMost);
    CPPUNIT_TEST(testAChangedIdleTimeChangesTheNextLook);
    CPPUNIT_TEST(testRequestsOfAPausedQueueNeedNoInstance);
    CPPUNIT_TEST(testTheSmallerOfTheTwoLimitsCounts);
    CPPUNIT_TEST(testRequestsBeforeAnEvictionAreNoClaimToTheMinimum);
    CPPUNIT_TEST_SUITE_END();

    std::optional<Demand> demand_;

    void openQueue() {
        queue_->makeCurrent(
            std::make_shared<QueueGeneration>(QueueGeneration{Generation(1), RequestQueue(), std::nullopt}));
    }

    /** An instance serves, and a request is refused each tenth of a second. */
    ScalingSnapshot serveWithRefusals(unsigned target, int refused) {
        if (!queue_->current()) {
            openQueue();
            serve();
        }
        options_.queueTarget = std::chrono::milliseconds(target);
        sender_->completed(0, std::chrono::milliseconds(0), std::chrono::milliseconds(200));
        demand_->readStatistics(now());
        ScalingSnapshot snapshot;
        for (int i = 0; i < refused; i++) {
            clock_.advance(std::chrono::milliseconds(i > 0 ? 100 : 0));
            sender_->refused(0);
            snapshot = demand_->look(now());
        }
        return snapshot;
    }

public:
    void setUp() override {
        GroupParts::setUp();
        demand_.emplace(options_, settings_, *pauses_, *queue_, *instances_);
    }

    void testAChildThatAskedForTheQueueIsExpectedToSendForAWhile() {
        openQueue();
        demand_->requested(now());
        CPPUNIT_ASSERT_EQUAL(1U, demand_->look(now()).waiting);
        CPPUNIT_ASSERT(demand_->expectsRequest());
        clock_.advance(seconds(2));
        CPPUNIT_ASSERT_EQUAL(0U, demand_->look(now()).waiting);
        CPPUNIT_ASSERT(!demand_->expectsRequest());
    }

    void testTheInstancesOfAnEventLoopWithWhichItStartsStay() {
        options_.appType = "node";
        options_.threads = Options::NO_THREAD_LIMIT;
        options_.startInstances = 3;
        CPPUNIT_ASSERT_EQUAL(3U, demand_->look(now()).minInstances);
        options_.minInstances = 4;
        CPPUNIT_ASSERT_EQUAL(4U, demand_->look(now()).minInstances);
        options_.threads = 32;
        options_.minInstances = 1;
        CPPUNIT_ASSERT_EQUAL(1U, demand_->look(now()).minInstances);
    }

    void testAnAsgiApplicationThatWasFoundNeedsNoFurtherInstanceForRequests() {
        options_.appType = "wsgi";
        options_.threads = 1;
        options_.startInstances = 2;
        CPPUNIT_ASSERT(demand_->look(now()).oneByOne);
        demand_->loaded(true);
        ScalingSnapshot snapshot = demand_->look(now());
        CPPUNIT_ASSERT_EQUAL(Options::NO_THREAD_LIMIT, snapshot.threads);
        CPPUNIT_ASSERT_EQUAL(2U, snapshot.minInstances);
        demand_->loaded(false);
        snapshot = demand_->look(now());
        CPPUNIT_ASSERT_EQUAL(1U, snapshot.threads);
        CPPUNIT_ASSERT_EQUAL(1U, snapshot.minInstances);
        CPPUNIT_ASSERT(!snapshot.oneByOne);
    }

    void testARequestWaitsAboveTheCapacity() {
        openQueue();
        const ProcessPtr process = serve();
        send(Ticket(1));
        CPPUNIT_ASSERT_EQUAL(0U, demand_->look(now()).waiting);
        claim(*process, channel_, Ticket(1));
        send(Ticket(2));
        const MonotonicTime sent = now();
        clock_.advance(seconds(1));
        const ScalingSnapshot snapshot = demand_->look(now());
        CPPUNIT_ASSERT_EQUAL(1U, snapshot.waiting);
        CPPUNIT_ASSERT(snapshot.headAge == seconds(1));
        CPPUNIT_ASSERT(demand_->waitingSince() == sent);
        CPPUNIT_ASSERT(demand_->requestsWait());
        CPPUNIT_ASSERT_EQUAL(2U, demand_->atWork());
    }

    void testARequestWaitsBesideAnAbandonedOne() {
        openQueue();
        const ProcessPtr process = serve();
        claim(*process, channel_, Ticket(1));
        CPPUNIT_ASSERT(queue_->abandoned().note({channel_}, now()));
        send(Ticket(2));
        clock_.advance(seconds(1));
        CPPUNIT_ASSERT_EQUAL(1U, demand_->look(now()).waiting);
        CPPUNIT_ASSERT(demand_->requestsWait());
        CPPUNIT_ASSERT_EQUAL(1U, queue_->untaken());
        CPPUNIT_ASSERT_EQUAL(2U, demand_->atWork());
        finish(*process);
        CPPUNIT_ASSERT(queue_->abandoned().forgetEnded());
        CPPUNIT_ASSERT(!demand_->exceedsCapacity());
    }

    void testRequestsThatAreRefusedForTheTargetNeedInstances() {
        serveWithRefusals(0, 11);
        CPPUNIT_ASSERT_EQUAL_MESSAGE("Without a target those that wait count", 0U, demand_->look(now()).waiting);
        demand_->readStatistics(now());
        const ScalingSnapshot snapshot = serveWithRefusals(100, 11);
        CPPUNIT_ASSERT(snapshot.headAge == seconds(1));
        // Of eleven in a second, those count that come during an answer.
        CPPUNIT_ASSERT_EQUAL(static_cast<unsigned>(11 * snapshot.serviceTime / seconds(1)), snapshot.waiting);
        CPPUNIT_ASSERT(!demand_->waitingSince());
        CPPUNIT_ASSERT(instancesToStart(snapshot) > 0);
    }

    void testRefusalsBeforeAnInstanceCameOrLongAgoNeedNone() {
        serveWithRefusals(100, 11);
        demand_->joined(now(), true, true);
        CPPUNIT_ASSERT_EQUAL(0U, demand_->look(now()).waiting);
        CPPUNIT_ASSERT(serveWithRefusals(100, 11).waiting > 0);
        clock_.advance(std::chrono::milliseconds(1001));
        CPPUNIT_ASSERT_EQUAL(0U, demand_->look(now()).waiting);
        CPPUNIT_ASSERT_MESSAGE("A single one", serveWithRefusals(100, 1).headAge == seconds(0));
    }

    void testTheNumberOfInstancesBeforeADeathIsRestored() {
        const ProcessPtr process = serve();
        serve();
        demand_->restore();
        instances_->remove(process);
        CPPUNIT_ASSERT(demand_->isBelowMinimum());
        CPPUNIT_ASSERT_EQUAL(2U, demand_->look(now()).restoreTo);
        serve();
        demand_->joined(now(), true, true);
        demand_->adjustRestore();
        CPPUNIT_ASSERT(!demand_->isBelowMinimum());
        CPPUNIT_ASSERT_EQUAL(0U, demand_->look(now()).restoreTo);
    }

    void testInstancesThatWereNotNeededForTheIdleTimeAreSurplus() {
        options_.minInstances = 0;
        serve();
        serve();
        CPPUNIT_ASSERT(demand_->idleSurplus(now()));
        CPPUNIT_ASSERT(!demand_->idleSurplus(now()));
        unsigned surplus = 0;
        const auto twice = 2 * PoolSettings().idleTime;
        for (MonotonicTime end = now() + twice; now() < end; clock_.advance(seconds(10))) {
            surplus = std::max(surplus, demand_->idleSurplus(now()).value_or(0));
        }
        CPPUNIT_ASSERT_EQUAL(2U, surplus);
    }

    void testManyIdleApplicationsWakeTheAgentOnceASecondAtMost() {
        constexpr int APPLICATIONS = 1000;
        std::vector<std::unique_ptr<Demand>> demands;
        Deadlines<Demand> deadlines;
        // They have been started one after the other.
        for (int i = 0; i < APPLICATIONS; i++) {
            Demand &demand =
                *demands.emplace_back(std::make_unique<Demand>(options_, settings_, *pauses_, *queue_, *instances_));
            demand.idleSurplus(now());
            deadlines.set(&demand, demand.nextIdleCheck(now()));
            clock_.advance(std::chrono::milliseconds(37));
        }
        int wakeUps = 0;
        int looks = 0;
        for (const MonotonicTime end = now() + seconds(60); *deadlines.next() < end; wakeUps++) {
            // A timer fires a little late.
            clock_.advance(std::max(*deadlines.next() - now(), std::chrono::nanoseconds(0)) +
                           std::chrono::microseconds(700));
            for (Demand *demand : deadlines.due(now())) {
                CPPUNIT_ASSERT(demand->idleSurplus(now()));
                deadlines.set(demand, demand->nextIdleCheck(now()));
                looks++;
            }
        }
        CPPUNIT_ASSERT_MESSAGE(std::to_string(wakeUps), wakeUps <= 62);
        CPPUNIT_ASSERT_MESSAGE(std::to_string(looks), looks >= 6 * APPLICATIONS);
    }

    void testAChangedIdleTimeChangesTheNextLook() {
        demand_->idleSurplus(now());
        CPPUNIT_ASSERT(demand_->nextIdleCheck(now()) > now() + seconds(9));
        settings_.idleTime = seconds(4);
        CPPUNIT_ASSERT(demand_->nextIdleCheck(now()) == now() + std::chrono::milliseconds(500));
        settings_.idleTime = seconds(0);
        clock_.advance(std::chrono::milliseconds(500));
        CPPUNIT_ASSERT(demand_->idleSurplus(now()));
        CPPUNIT_ASSERT(demand_->nextIdleCheck(now()) > now() + seconds(9));
    }

    void testRequestsBeforeAnEvictionAreNoClaimToTheMinimum() {
        options_.minInstances = 1;
        openQueue();
        demand_->requested(now());
        send(Ticket(1));
        sender_->remove(0);
        demand_->clear();
        demand_->notePeak(now());
        CPPUNIT_ASSERT(!demand_->isBelowMinimum());
        send(Ticket(2));
        demand_->notePeak(now());
        CPPUNIT_ASSERT(demand_->isBelowMinimum());
    }

    void testRequestsOfAPausedQueueNeedNoInstance() {
        openQueue();
        send(Ticket(1));
        CPPUNIT_ASSERT_EQUAL(1U, demand_->look(now()).waiting);
        pauses_->begin(app_, now() + seconds(60));
        CPPUNIT_ASSERT_EQUAL(0U, demand_->look(now()).waiting);
        CPPUNIT_ASSERT(!demand_->requestsWait());
        CPPUNIT_ASSERT(demand_->pausedUntil() == now() + seconds(60));
        pauses_->end(app_);
        CPPUNIT_ASSERT_EQUAL(1U, demand_->look(now()).waiting);
    }

    void testTheSmallerOfTheTwoLimitsCounts() {
        CPPUNIT_ASSERT_EQUAL(0U, demand_->maxInstances());
        options_.maxInstances = 3;
        CPPUNIT_ASSERT_EQUAL(3U, demand_->maxInstances());
        settings_.maxInstancesPerApp = 2;
        CPPUNIT_ASSERT_EQUAL(2U, demand_->maxInstances());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(DemandTest);

}  // namespace Passenger
