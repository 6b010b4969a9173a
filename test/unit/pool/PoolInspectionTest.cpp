// Pool: what it tells of itself.

#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <cstdint>

#include "support/Eventually.h"
#include "support/PoolContract.h"

namespace Passenger {

using namespace std::chrono_literals;

class PoolInspectionTest : public PoolContract {
    CPPUNIT_TEST_SUITE(PoolInspectionTest);
    CPPUNIT_TEST(testTheSnapshotTellsOfThePool);
    CPPUNIT_TEST(testTheSnapshotTellsOfTheGroup);
    CPPUNIT_TEST(testTheSnapshotTellsOfTheProcesses);
    CPPUNIT_TEST(testTheSnapshotHasHistogramsOfQueueAndServiceTime);
    CPPUNIT_TEST(testTheSnapshotFollowsTheGroupsStates);
    CPPUNIT_TEST(testTheSnapshotTellsOfTheLastFailureThoughItIsOver);
    CPPUNIT_TEST(testFiguresAreMeasuredAgainWhenTheyAreOld);
    CPPUNIT_TEST(testMeasuringFiguresTakesATwentiethOfTheTime);
    CPPUNIT_TEST_SUITE_END();

    /** What the snapshot tells of the first instance, when figures may be so old. */
    std::uint64_t memory(std::chrono::seconds oldest = 5s) {
        pool_->refreshFigures(oldest);
        CPPUNIT_ASSERT(eventually([this] { return !pool_->checksMemory(); }));
        return instances()[0].memory;
    }
    void setMemory(std::uint64_t bytes) { PoolContract::setMemory(instances()[0].id, bytes); }

public:
    void testTheSnapshotTellsOfThePool() {
        const HeldPtr one = get(app("/srv/blog"));
        setMax(1);
        const AnswerPtr waiter = ask(app("/srv/shop"));
        const PoolSnapshot snapshot = pool_->inspect();
        CPPUNIT_ASSERT_EQUAL(1U, snapshot.maxSize);
        CPPUNIT_ASSERT_EQUAL(1U, snapshot.size);
        CPPUNIT_ASSERT_EQUAL(1U, snapshot.waitingForRoom);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, snapshot.groups.size());
        CPPUNIT_ASSERT_EQUAL(std::string("/srv/blog (production)"), snapshot.groups[0].name);
        CPPUNIT_ASSERT_EQUAL(std::string("/srv/shop (production)"), snapshot.groups[1].name);
    }

    void testTheSnapshotTellsOfTheGroup() {
        Options options = app();
        options.minInstances = 1;
        options.maxInstances = 2;
        get(options).reset();
        const HeldPtr session = get(options);
        factory_->hold();
        const AnswerPtr waiter = ask(options);
        factory_->waitUntilHeld(1);
        const GroupSnapshot snapshot = group();
        CPPUNIT_ASSERT_EQUAL(std::string("/srv/blog"), snapshot.root);
        CPPUNIT_ASSERT_EQUAL(std::string("production"), snapshot.environment);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, snapshot.version);
        CPPUNIT_ASSERT_EQUAL(1U, snapshot.starting);
        CPPUNIT_ASSERT_EQUAL(1U, snapshot.minInstances);
        CPPUNIT_ASSERT_EQUAL(2U, snapshot.maxInstances);
        CPPUNIT_ASSERT_EQUAL(1U, snapshot.queue.waiting);
        CPPUNIT_ASSERT_EQUAL_MESSAGE("Those that have had their answer", std::uint64_t{1}, snapshot.counters.requests);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, snapshot.counters.spawned);
    }

    void testTheSnapshotTellsOfTheProcesses() {
        Options options = app();
        options.threads = 4;
        const HeldPtr one = get(options);
        const HeldPtr other = get(options);
        clock_.advance(5s);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, instances().size());
        const ProcessSnapshot process = instances()[0];
        CPPUNIT_ASSERT(process.id == idOf(one));
        CPPUNIT_ASSERT(process.state == nameOf(Process::State::SERVING));
        CPPUNIT_ASSERT(process.age == 5);
        CPPUNIT_ASSERT_EQUAL(4U, process.concurrency);
        CPPUNIT_ASSERT_EQUAL(2U, process.sessions);
    }

    void testTheSnapshotHasHistogramsOfQueueAndServiceTime() {
        setMax(1);
        HeldPtr session = get();
        const AnswerPtr waiter = ask(app());
        clock_.advance(100ms);
        session.reset();
        session = waiter->session();
        clock_.advance(3s);
        session.reset();
        const GroupSnapshot snapshot = group();
        CPPUNIT_ASSERT(snapshot.queueTimes.counts[LogHistogram::bucket(0ms)] == 1);
        CPPUNIT_ASSERT(snapshot.queueTimes.counts[LogHistogram::bucket(100ms)] == 1);
        CPPUNIT_ASSERT(snapshot.serviceTimes.counts[LogHistogram::bucket(100ms)] == 1);
        CPPUNIT_ASSERT(snapshot.serviceTimes.counts[LogHistogram::bucket(3s)] == 1);
    }

    void testTheSnapshotFollowsTheGroupsStates() {
        factory_->hold();
        const AnswerPtr waiter = ask(app());
        CPPUNIT_ASSERT(group().state == nameOf(GroupState::STARTING));
        factory_->release();
        waiter->session().reset();
        CPPUNIT_ASSERT(group().state == nameOf(GroupState::SERVING));
        pool_->clear();
        CPPUNIT_ASSERT(group().state == nameOf(GroupState::DOWN));
        pool_->shutDown();
        CPPUNIT_ASSERT(group().state == nameOf(GroupState::SHUT_DOWN));
    }

    void testTheSnapshotTellsOfTheLastFailureThoughItIsOver() {
        get().reset();
        CPPUNIT_ASSERT(!group().failure);
        pool_->clear();
        factory_->failuresToCome = 1;
        const Refusal failure = ask(app())->failure();
        clock_.advance(90s);
        upkeep();
        get().reset();
        const GroupSnapshot snapshot = group();
        CPPUNIT_ASSERT(snapshot.state == nameOf(GroupState::SERVING));
        CPPUNIT_ASSERT(snapshot.failure.has_value());
        CPPUNIT_ASSERT_EQUAL(failure.reportId, snapshot.failure->report);
        CPPUNIT_ASSERT_EQUAL(failure.summary, snapshot.failure->summary);
        CPPUNIT_ASSERT(snapshot.failure->age == 90);
    }

    void testFiguresAreMeasuredAgainWhenTheyAreOld() {
        get().reset();
        setMemory(100);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{100}, memory());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{100}, instances()[0].privateMemory);
        setMemory(200);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{100}, memory());
        clock_.advance(5s);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{100}, memory(6s));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{200}, memory());
    }

    void testMeasuringFiguresTakesATwentiethOfTheTime() {
        get().reset();
        measuringTakes_ = 500ms;
        setMemory(100);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{100}, memory());
        setMemory(200);
        clock_.advance(9s);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{100}, memory());
        measuringTakes_ = 30s;
        clock_.advance(500ms);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{200}, memory());
        setMemory(300);
        clock_.advance(4min);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{200}, memory());
        clock_.advance(30s);
        CPPUNIT_ASSERT_EQUAL_MESSAGE("Five minutes are the most", std::uint64_t{300}, memory());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolInspectionTest);

}  // namespace Passenger
