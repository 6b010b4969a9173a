#include "pool/Group.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/socket.h>

#include <functional>
#include <optional>
#include <vector>

#include "exchange/QueueHost.h"
#include "support/Eventually.h"
#include "support/GroupParts.h"

namespace Passenger {

/** A Group without a Pool. What its comment says of requests that wait holds after each event. */
class GroupTest : public GroupParts {
    CPPUNIT_TEST_SUITE(GroupTest);
    CPPUNIT_TEST(testARequestStartsAnInstanceThatServes);
    CPPUNIT_TEST(testARestartWithoutAnInstanceStartsTheNewVersion);
    CPPUNIT_TEST(testADeploymentTakesOverWhileARequestWaits);
    CPPUNIT_TEST(testARequestWaitsForTheEndOfAPause);
    CPPUNIT_TEST(testTheOldestRequestIsOneThatStillWaits);
    CPPUNIT_TEST(testARequestThatAnInstanceHasFinishedDoesNotWait);
    CPPUNIT_TEST(testARequestThatAHungInstanceDoesNotTakeHasAnAge);
    CPPUNIT_TEST(testWithoutRoomTheRoomHasTheWish);
    CPPUNIT_TEST(testAnInstanceThatDiesIsReplaced);
    CPPUNIT_TEST(testAnInstanceThatHangsCountsAsReplaced);
    CPPUNIT_TEST(testADetachedInstanceIsReplaced);
    CPPUNIT_TEST(testAfterClearChildrenAskAgain);
    CPPUNIT_TEST(testAFailedStartRefusesTheRequestAndIsTriedAgain);
    CPPUNIT_TEST_SUITE_END();

    std::optional<Room> room_;
    std::optional<UpkeepTimer> timer_;
    std::optional<Group> group_;
    std::uint64_t requests_ = 0;

    bool hasDate() REQUIRES(poolLock) {
        const bool has = !timer_->due(MonotonicTime::max()).empty();
        if (has) {
            // due() has taken it.
            timer_->set(*group_, now());
        }
        return has;
    }
    void check() REQUIRES(poolLock) {
        const bool waits = group_->queue().current() && (group_->asks() || group_->queue().untaken() > 0);
        CPPUNIT_ASSERT(!waits || group_->instances().serving() > 0 || group_->scaler().spawns().starting() > 0 ||
                       room_->hasWish(group_->scaler()) || hasDate());
    }
    /** A child asks for the queue, and puts a request into it. */
    void request() REQUIRES(poolLock) {
        group_->attach(options_, Generation());
        send(Ticket(++requests_));
        check();
    }
    /** Lets the instances do what they were told, until the condition holds. */
    bool eventuallyHolds(const std::function<bool()> &condition) {
        return eventually([&] {
            factory_->instances().step([](DummyInstance &, unsigned) {});
            const PoolGuard guard(*context_);
            check();
            return condition();
        });
    }
    bool eventuallyServes(std::uint64_t version = 1) {
        return eventuallyHolds([this, version]() REQUIRES(poolLock) {
            return group_->instances().serves(version) && group_->scaler().spawns().starting() == 0;
        });
    }
    /** Of the Group's queue, for an instance. */
    InstanceClaim::Memory claimMemory() const REQUIRES(poolLock) {
        return {group_->queue().cells().claims().memory().descriptor(),
                group_->queue().senders().memory().descriptor()};
    }
    /** The cells of the first instance. */
    CellRange cells() const REQUIRES(poolLock) { return group_->instances().all().front()->socket().cells; }
    void serveOne() {
        {
            const PoolGuard guard(*context_);
            request();
        }
        factory_->letThrough();
        CPPUNIT_ASSERT(eventuallyServes());
    }
    bool wasRefused() const {
        MessageHeader header{};
        return ::recv(child_.get(), &header, sizeof(header), MSG_DONTWAIT) > 0 && header.type == MessageType::REFUSED;
    }

public:
    void setUp() override {
        GroupParts::setUp();
        options_.appRoot = "/srv/blog";
        requests_ = 0;
        factory_->hold();
        const PoolGuard guard(*context_);
        context_->settings.maxSize = 2;
        room_.emplace(context_->settings, context_->orphans, cpu_);
        timer_.emplace(*context_, nullptr);
        group_.emplace(*context_, *room_, *timer_, options_, 0);
        group_->queue().senders().reset(channel_);
        sender_ = std::make_unique<SenderMemoryView>(group_->queue().senders().memory().descriptor());
    }
    void tearDown() override {
        {
            const PoolGuard guard(*context_);
            group_->shutDown(true);
        }
        factory_->release();
        context_->threads.join();
        std::vector<ProcessPtr> processes;
        {
            const PoolGuard guard(*context_);
            processes = group_->instances().takeAll();
        }
        processes.clear();
        context_->threads.join();
        loop_->runSync([] {});
        group_.reset();
        timer_.reset();
        room_.reset();
        GroupParts::tearDown();
    }

    void testARequestStartsAnInstanceThatServes() {
        serveOne();
        const PoolGuard guard(*context_);
        CPPUNIT_ASSERT(group_->inspect(now()).state == nameOf(GroupState::SERVING));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, group_->inspect(now()).counters.spawned);
    }

    void testARestartWithoutAnInstanceStartsTheNewVersion() {
        {
            const PoolGuard guard(*context_);
            request();
            group_->restart("it was ordered");
            check();
        }
        factory_->letThrough(2);
        CPPUNIT_ASSERT(eventuallyServes(2));
    }

    void testADeploymentTakesOverWhileARequestWaits() {
        serveOne();
        {
            const PoolGuard guard(*context_);
            request();
            group_->restart("it was ordered");
            check();
            CPPUNIT_ASSERT(group_->inspect(now()).state == nameOf(GroupState::DEPLOYING));
        }
        factory_->release();
        CPPUNIT_ASSERT(eventuallyServes(2));
    }

    void testARequestWaitsForTheEndOfAPause() {
        const PoolGuard guard(*context_);
        group_->pause(now() + std::chrono::hours(1));
        request();
        clock_.advance(std::chrono::hours(1));
        group_->doWhatIsDue(now());
        check();
        CPPUNIT_ASSERT_EQUAL(1U, group_->scaler().spawns().starting());
    }

    void testTheOldestRequestIsOneThatStillWaits() {
        const PoolGuard guard(*context_);
        request();
        clock_.advance(std::chrono::seconds(8));
        CPPUNIT_ASSERT(group_->inspect(now()).queue.oldest == 8);
        // The Group has not looked since then.
        table_->done(0);
        sender_->remove(0);
        CPPUNIT_ASSERT(group_->inspect(now()).queue.oldest == 0);
        send(Ticket(++requests_));
        CPPUNIT_ASSERT_EQUAL(1U, group_->inspect(now()).queue.waiting);
        CPPUNIT_ASSERT(group_->inspect(now()).queue.oldest == 0);
    }

    // The child has not read the end of its answer.
    void testARequestThatAnInstanceHasFinishedDoesNotWait() {
        serveOne();
        const PoolGuard guard(*context_);
        const InstanceClaim::Memory memory = claimMemory();
        InstanceClaim claim(memory, cells().first);
        CPPUNIT_ASSERT(claim.take(channel_, Ticket(requests_)));
        clock_.advance(std::chrono::seconds(8));
        claim.complete(now());
        CPPUNIT_ASSERT_EQUAL(1U, group_->inspect(now()).queue.waiting);
        CPPUNIT_ASSERT(group_->inspect(now()).queue.oldest == 0);
        // Free threads take nothing.
        group_->pause(now() + std::chrono::seconds(60));
        CPPUNIT_ASSERT(group_->inspect(now()).queue.oldest == 8);
    }

    void testARequestThatAHungInstanceDoesNotTakeHasAnAge() {
        serveOne();
        const PoolGuard guard(*context_);
        const InstanceClaim::Memory memory = claimMemory();
        InstanceClaim claim(memory, cells().first);
        CPPUNIT_ASSERT(claim.take(channel_, Ticket(requests_)));
        claim.complete(now());
        table_->done(0);
        sender_->remove(0);
        clock_.advance(std::chrono::seconds(8));
        send(Ticket(++requests_));
        clock_.advance(std::chrono::seconds(5));
        CPPUNIT_ASSERT_EQUAL(1U, group_->instances().freeThreads());
        CPPUNIT_ASSERT(group_->inspect(now()).queue.oldest == 5);
    }

    void testWithoutRoomTheRoomHasTheWish() {
        const PoolGuard guard(*context_);
        context_->settings.maxSize = 0;
        request();
        CPPUNIT_ASSERT_EQUAL(0U, group_->scaler().spawns().starting());
        CPPUNIT_ASSERT(room_->hasWish(group_->scaler()));
        context_->settings.maxSize = 1;
        room_->mayHaveCome();
        check();
        CPPUNIT_ASSERT_EQUAL(1U, group_->scaler().spawns().starting());
    }

    void testAnInstanceThatDiesIsReplaced() {
        serveOne();
        factory_->instances().at(0).die();
        CPPUNIT_ASSERT(eventuallyHolds([this]() REQUIRES(poolLock) { return group_->instances().empty(); }));
        factory_->release();
        clock_.advance(std::chrono::minutes(1));
        {
            const PoolGuard guard(*context_);
            CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, group_->inspect(now()).counters.died);
            group_->doWhatIsDue(now());
        }
        CPPUNIT_ASSERT(eventuallyServes());
    }

    void testAnInstanceThatHangsCountsAsReplaced() {
        serveOne();
        const PoolGuard guard(*context_);
        CPPUNIT_ASSERT(InstanceClaim(claimMemory(), cells().first).take(channel_, Ticket(requests_)));
        CPPUNIT_ASSERT(group_->requestOverran(channel_, Ticket(requests_), std::chrono::seconds(1)));
        group_->requestOverran(channel_, Ticket(requests_), std::chrono::seconds(1));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, group_->inspect(now()).counters.replaced);
    }

    void testADetachedInstanceIsReplaced() {
        serveOne();
        {
            const PoolGuard guard(*context_);
            group_->detach(group_->instances().all().front());
            check();
        }
        factory_->release();
        CPPUNIT_ASSERT(eventuallyServes());
    }

    void testAfterClearChildrenAskAgain() {
        serveOne();
        const PoolGuard guard(*context_);
        group_->clear();
        CPPUNIT_ASSERT(!group_->queue().current());
        check();
        request();
    }

    void testAFailedStartRefusesTheRequestAndIsTriedAgain() {
        factory_->failuresToCome = 1;
        {
            const PoolGuard guard(*context_);
            request();
        }
        factory_->letThrough();
        CPPUNIT_ASSERT(
            eventuallyHolds([this]() REQUIRES(poolLock) { return group_->scaler().spawns().starting() == 0; }));
        CPPUNIT_ASSERT(eventually([this] { return wasRefused(); }));
        const PoolGuard guard(*context_);
        CPPUNIT_ASSERT(group_->inspect(now()).state == nameOf(GroupState::FAILED));
        CPPUNIT_ASSERT_THROW(group_->attach(options_, Generation()), RefusedException);
        group_->tryAgain(now());
        CPPUNIT_ASSERT_EQUAL(0U, group_->scaler().spawns().starting());
        clock_.advance(std::chrono::minutes(1));
        group_->tryAgain(now());
        CPPUNIT_ASSERT_EQUAL(1U, group_->scaler().spawns().starting());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(GroupTest);

}  // namespace Passenger
