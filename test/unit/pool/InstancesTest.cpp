#include "pool/Instances.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <vector>

#include "pool/FormerClaims.h"
#include "pool/Orphans.h"
#include "support/GroupParts.h"

namespace Passenger {

class InstancesTest : public GroupParts {
    CPPUNIT_TEST_SUITE(InstancesTest);
    CPPUNIT_TEST(testInstancesAreCountedByState);
    CPPUNIT_TEST(testAnIdleInstanceIsLessNeededThanABusyOne);
    CPPUNIT_TEST(testTheHolderOfARequestIsFound);
    CPPUNIT_TEST(testAnAbandonedRequestTakesAPlaceUntilItsClaimIsCleared);
    CPPUNIT_TEST(testAnEndedInstanceGivesItsCellsBack);
    CPPUNIT_TEST(testTheDeathOfAnInstanceIsToldToWaitingRequests);
    CPPUNIT_TEST(testTheOrderedEndOfAnInstanceIsNotToldToWaitingRequests);
    CPPUNIT_TEST(testTheDeathOfAnInstanceOfAnotherQueueIsNotToldToWaitingRequests);
    CPPUNIT_TEST(testEachInstanceHasItsOwnCountAndLastUse);
    CPPUNIT_TEST(testALastUseThatIsStillToComeIsNotBelieved);
    CPPUNIT_TEST(testARequestOfAnEarlierPoolProcessIsInWorkSinceTheTakeOver);
    CPPUNIT_TEST_SUITE_END();

public:
    void testInstancesAreCountedByState() {
        serve();
        serve()->lifecycle().standBy();
        const ProcessPtr ends = serve();
        ends->lifecycle().drain(now());
        CPPUNIT_ASSERT_EQUAL(3U, instances_->living());
        CPPUNIT_ASSERT_EQUAL(1U, instances_->serving());
        CPPUNIT_ASSERT_EQUAL(1U, instances_->draining());
        CPPUNIT_ASSERT_EQUAL(1U, instances_->capacity());
        instances_->publish();
        CPPUNIT_ASSERT((queue_->published() == InstanceCounts{1, 3, 0, 1}));
        CPPUNIT_ASSERT(!instances_->anyReplaced());
        ends->lifecycle().noteSuccessor();
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
        CPPUNIT_ASSERT((instances_->counts() == InstanceCounts{1, 2, 1, 2}));
        CPPUNIT_ASSERT(queue_->takenSince().contains(process->socket().cells.first));
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
        CPPUNIT_ASSERT(process->state() == Process::State::DEAD);
        CPPUNIT_ASSERT(!instances_->find(process->id()));
        CPPUNIT_ASSERT_EQUAL(0U, make()->socket().cells.first);
    }

    void testTheDeathOfAnInstanceIsToldToWaitingRequests() {
        makeQueue();
        const ProcessPtr process = serve();
        send(Ticket(1));
        instances_->remove(process);
        CPPUNIT_ASSERT(isToldToLookAgain());
        const ProcessPtr killed = serve();
        killed->lifecycle().drain(now());
        killed->kill();
        instances_->remove(killed);
        CPPUNIT_ASSERT(isToldToLookAgain());
    }

    void testTheOrderedEndOfAnInstanceIsNotToldToWaitingRequests() {
        makeQueue();
        const ProcessPtr process = serve();
        send(Ticket(1));
        process->lifecycle().drain(now());
        instances_->remove(process);
        CPPUNIT_ASSERT(!isToldToLookAgain());
    }

    void testTheDeathOfAnInstanceOfAnotherQueueIsNotToldToWaitingRequests() {
        makeQueue();
        const ProcessPtr process = serve();
        makeQueue();
        send(Ticket(1));
        instances_->remove(process);
        CPPUNIT_ASSERT(!isToldToLookAgain());
    }

    void testEachInstanceHasItsOwnCountAndLastUse() {
        using std::chrono::seconds;
        const ProcessPtr one = serve();
        const ProcessPtr other = serve();
        for (const std::uint64_t ticket : {1, 2}) {
            clock_.advance(seconds(10));
            claim(*other, channel_, Ticket(ticket));
            finish(*other);
        }
        clock_.advance(seconds(3));
        const std::vector<ProcessSnapshot> snapshots = instances_->inspect(now());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, snapshots.at(0).processed);
        CPPUNIT_ASSERT(!snapshots[0].unusedFor);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, snapshots.at(1).processed);
        CPPUNIT_ASSERT(snapshots[1].unusedFor == seconds(3));
        instances_->remove(other);
        CPPUNIT_ASSERT_EQUAL_MESSAGE("The cell of another one", std::uint64_t{0},
                                     instances_->inspect(*serve(), now()).processed);
    }

    void testALastUseThatIsStillToComeIsNotBelieved() {
        const ProcessPtr process = serve();
        clock_.advance(std::chrono::minutes(1));
        const auto at = ClaimsLayout::offset(process->socket().cells.first) + offsetof(ClaimCell, lastUsed);
        for (const std::uint64_t invented : {toNanoseconds(now()) + 1, std::uint64_t{UINT64_MAX}}) {
            CPPUNIT_ASSERT(::pwrite(queue_->cells().claims().memory().descriptor().get(), &invented, sizeof(invented),
                                    static_cast<off_t>(at)) > 0);
            CPPUNIT_ASSERT(!instances_->inspect(*process, now()).unusedFor);
            CPPUNIT_ASSERT(instances_->isUnused(*process, now(), std::chrono::minutes(1)));
        }
    }

    void testARequestOfAnEarlierPoolProcessIsInWorkSinceTheTakeOver() {
        const CellRange cells = queue_->cells().allocate(1).value();
        auto former = std::make_shared<FormerClaims>();
        former->add({queue_->cells().claims().memory().descriptor().duplicate(), cells});
        Orphan orphan;
        orphan.claims = former;
        auto process = std::make_shared<Process>(SpawnResult{}, orphan, InstanceId(++lastId_), 1, now());
        process->give({1, Generation(), queue_->cells().allocate(1).value()});
        instances_->add(process);
        clock_.advance(std::chrono::seconds(3));
        CPPUNIT_ASSERT(instances_->inspect(now()).at(0).busyFor == 0);
        const InstanceClaim::Memory memory = claimMemory();
        CPPUNIT_ASSERT(InstanceClaim(memory, cells.first).take(channel_, Ticket(1)));
        CPPUNIT_ASSERT_EQUAL(1U, instances_->inspect(now()).at(0).sessions);
        CPPUNIT_ASSERT(instances_->inspect(now()).at(0).busyFor == 3);
    }

private:
    /** Whether the sender has got RECHECK. */
    bool isToldToLookAgain() const {
        MessageHeader header{};
        return ::recv(child_.get(), &header, sizeof(header), MSG_DONTWAIT) > 0 && header.type == MessageType::RECHECK;
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(InstancesTest);

}  // namespace Passenger
