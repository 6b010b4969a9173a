#include "pool/Instances.h"

#include <cppunit/extensions/HelperMacros.h>

#include "support/GroupParts.h"

namespace Passenger {

class InstancesTest : public GroupParts {
    CPPUNIT_TEST_SUITE(InstancesTest);
    CPPUNIT_TEST(testInstancesAreCountedByState);
    CPPUNIT_TEST(testAnIdleInstanceIsLessNeededThanABusyOne);
    CPPUNIT_TEST(testTheHolderOfARequestIsFound);
    CPPUNIT_TEST(testAnAbandonedRequestTakesAPlaceUntilItsClaimIsCleared);
    CPPUNIT_TEST(testAnEndedInstanceGivesItsCellsBack);
    CPPUNIT_TEST_SUITE_END();

public:
    void testInstancesAreCountedByState() {
        serve();
        serve()->state = Process::State::DISABLED;
        const ProcessPtr ends = serve();
        ends->state = Process::State::DRAINING;
        CPPUNIT_ASSERT_EQUAL(3U, instances_->living());
        CPPUNIT_ASSERT_EQUAL(1U, instances_->serving());
        CPPUNIT_ASSERT_EQUAL(1U, instances_->draining());
        CPPUNIT_ASSERT_EQUAL(1U, instances_->capacity());
        CPPUNIT_ASSERT(!instances_->anyReplaced());
        ends->replaced = true;
        CPPUNIT_ASSERT(instances_->anyReplaced());
    }

    void testAnIdleInstanceIsLessNeededThanABusyOne() {
        CPPUNIT_ASSERT(!instances_->leastNeeded());
        const ProcessPtr busy = serve();
        clock_.advance(std::chrono::seconds(1));
        const ProcessPtr idle = serve();
        clock_.advance(std::chrono::seconds(1));
        serve();
        claim(*busy, channel_, Ticket(1));
        CPPUNIT_ASSERT_EQUAL(1U, instances_->busy());
        CPPUNIT_ASSERT_EQUAL(2U, instances_->freeThreads());
        CPPUNIT_ASSERT(instances_->leastNeeded() == idle);
        finish(*busy);
        CPPUNIT_ASSERT(instances_->leastNeeded() == busy);
    }

    void testAnAbandonedRequestTakesAPlaceUntilItsClaimIsCleared() {
        serve();
        const ProcessPtr process = serve();
        claim(*process, channel_, Ticket(1));
        CPPUNIT_ASSERT(!queue_->abandoned().note({ChannelId(channel_.value() + 1)}, now()));
        CPPUNIT_ASSERT_EQUAL(2U, instances_->capacity());
        CPPUNIT_ASSERT(queue_->abandoned().note({channel_}, now()));
        CPPUNIT_ASSERT_EQUAL(1U, instances_->capacity());
        CPPUNIT_ASSERT(queue_->takenSince().contains(process->socket.cells.first));
        CPPUNIT_ASSERT(!queue_->abandoned().forgetEnded());
        finish(*process);
        CPPUNIT_ASSERT_EQUAL(2U, instances_->capacity());
        CPPUNIT_ASSERT(queue_->abandoned().forgetEnded());
        CPPUNIT_ASSERT_EQUAL(0U, queue_->abandoned().count());
    }

    void testTheHolderOfARequestIsFound() {
        serve();
        const ProcessPtr holder = serve();
        claim(*holder, channel_, Ticket(7));
        CPPUNIT_ASSERT(instances_->holder(channel_, Ticket(7)) == holder);
        CPPUNIT_ASSERT(!instances_->holder(channel_, Ticket(8)));
    }

    void testAnEndedInstanceGivesItsCellsBack() {
        const ProcessPtr process = serve();
        serve();
        instances_->remove(process);
        CPPUNIT_ASSERT(process->state == Process::State::DEAD);
        CPPUNIT_ASSERT(!instances_->find(process->id()));
        CPPUNIT_ASSERT_EQUAL(0U, make()->socket.cells.first);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(InstancesTest);

}  // namespace Passenger
