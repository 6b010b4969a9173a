#include "pool/Succession.h"

#include <cppunit/extensions/HelperMacros.h>

#include <optional>

#include "support/GroupParts.h"

namespace Passenger {

class SuccessionTest : public GroupParts {
    CPPUNIT_TEST_SUITE(SuccessionTest);
    CPPUNIT_TEST(testWithALimitOfOneTheStandbyServesWhenNoOtherInstanceWorks);
    CPPUNIT_TEST(testTheStandbyEndsIfAnotherInstanceServes);
    CPPUNIT_TEST(testOfTwoStandbysOneServesAfterTheLimitFell);
    CPPUNIT_TEST(testWithoutALimitOfOneAllStandbysServe);
    CPPUNIT_TEST(testAStandbyOfAPausedQueueStaysPaused);
    CPPUNIT_TEST(testAVersionTakesOverWithItsCompanions);
    CPPUNIT_TEST(testTheOldInstancesStillCountWhenAVersionTakesOver);
    CPPUNIT_TEST(testTheSuccessorOfADueInstanceTakesItsPlaceOnce);
    CPPUNIT_TEST(testAnInstanceThatIsTakenOverServesSoon);
    CPPUNIT_TEST_SUITE_END();

    PendingSpawns pending_;
    AppCounters counters_;
    std::optional<QueuePause> pause_;
    std::optional<Versions> versions_;
    std::optional<Demand> demand_;
    std::optional<Succession> succession_;

    /** An instance that is paused, and waits until it may serve. */
    ProcessPtr standBy(std::uint64_t version = 1) {
        ProcessPtr process = make(version);
        process->lifecycle().standBy();
        process->pause().served(true);
        instances_->add(process);
        return process;
    }
    void deploy() REQUIRES(poolLock) {
        versions_->deploy(factory_->create(options_), context_->makeQueue(options_), now());
    }
    void takeOver(SpawnTask::Purpose purpose, InstanceId replaces = InstanceId()) REQUIRES(poolLock) {
        SpawnTask task;
        task.purpose = purpose;
        task.version = versions_->deployment() ? versions_->deployment()->version : versions_->current();
        task.replaces = replaces;
        succession_->takeOver(task);
    }
    static bool serves(const ProcessPtr &process) { return process->state() == Process::State::SERVING; }
    static bool ends(const ProcessPtr &process) { return process->state() == Process::State::DRAINING; }

public:
    void setUp() override {
        GroupParts::setUp();
        pending_ = PendingSpawns();
        counters_ = AppCounters();
        makeQueue();
        const PoolGuard guard(*context_);
        pause_.emplace(*context_, *queue_, *instances_);
        versions_.emplace(app_, context_->threads, factory_->create(options_));
        demand_.emplace(options_, *context_, *queue_, *instances_);
        succession_.emplace(Succession::Parts{app_, *context_, *queue_, *instances_, *pause_, pending_, *versions_,
                                              *demand_, counters_});
    }
    void tearDown() override {
        succession_.reset();
        demand_.reset();
        versions_.reset();
        pause_.reset();
        GroupParts::tearDown();
    }

    void testWithALimitOfOneTheStandbyServesWhenNoOtherInstanceWorks() {
        options_.maxInstances = 1;
        const PoolGuard guard(*context_);
        CPPUNIT_ASSERT(!succession_->mustStandBy());
        const ProcessPtr old = serve();
        CPPUNIT_ASSERT(succession_->mustStandBy());
        CPPUNIT_ASSERT(!succession_->standsBy());
        const ProcessPtr next = standBy();
        CPPUNIT_ASSERT(succession_->standsBy());
        CPPUNIT_ASSERT(succession_->replacing());
        claim(*old, channel_, Ticket(1));
        instances_->retire(old);
        succession_->activateStandby();
        CPPUNIT_ASSERT_MESSAGE("The old one works", !serves(next));
        CPPUNIT_ASSERT(succession_->servesSoon());
        finish(*old);
        old->pause().answered(true);
        succession_->activateStandby();
        CPPUNIT_ASSERT(serves(next));
        CPPUNIT_ASSERT(!next->pause().isOn());
        CPPUNIT_ASSERT(!succession_->standsBy());
    }

    void testTheStandbyEndsIfAnotherInstanceServes() {
        options_.maxInstances = 1;
        const PoolGuard guard(*context_);
        const ProcessPtr other = serve();
        const ProcessPtr next = standBy();
        succession_->activateStandby();
        CPPUNIT_ASSERT(serves(other));
        CPPUNIT_ASSERT(ends(next));
    }

    void testOfTwoStandbysOneServesAfterTheLimitFell() {
        const ProcessPtr first = standBy();
        const ProcessPtr second = standBy();
        options_.maxInstances = 1;
        const PoolGuard guard(*context_);
        succession_->activateStandby();
        CPPUNIT_ASSERT(serves(first));
        CPPUNIT_ASSERT(ends(second));
    }

    void testWithoutALimitOfOneAllStandbysServe() {
        const ProcessPtr old = serve();
        const ProcessPtr first = standBy();
        const ProcessPtr second = standBy();
        const ProcessPtr companion = standBy(2);
        const PoolGuard guard(*context_);
        CPPUNIT_ASSERT(!succession_->mustStandBy());
        succession_->activateStandby();
        CPPUNIT_ASSERT(serves(old) && serves(first) && serves(second));
        CPPUNIT_ASSERT_MESSAGE("It is of a later version", !serves(companion));
        CPPUNIT_ASSERT(queue_->published() == instances_->counts());
    }

    void testAStandbyOfAPausedQueueStaysPaused() {
        const ProcessPtr next = standBy();
        const PoolGuard guard(*context_);
        pause_->begin(now() + std::chrono::hours(1));
        succession_->activateStandby();
        CPPUNIT_ASSERT(serves(next));
        CPPUNIT_ASSERT(next->pause().isOn());
    }

    void testAVersionTakesOverWithItsCompanions() {
        const PoolGuard guard(*context_);
        const ProcessPtr old = serve();
        deploy();
        const QueueGenerationPtr queue = versions_->deployment()->queue;
        const ProcessPtr companion = standBy(2);
        const ProcessPtr first = standBy(2);
        CPPUNIT_ASSERT(!succession_->replacing());
        versions_->setStarted(true);
        CPPUNIT_ASSERT(succession_->replacing());
        clock_.advance(std::chrono::seconds(3));
        takeOver(SpawnTask::Purpose::DEPLOY);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, versions_->current());
        CPPUNIT_ASSERT(queue_->current() == queue);
        CPPUNIT_ASSERT(serves(first) && serves(companion));
        CPPUNIT_ASSERT(old->lifecycle().isReplaced());
        CPPUNIT_ASSERT(log_->contains("event=deploy.done app=\"blog\" version=2 ms=3000"));
    }

    /** Otherwise the new version would have fewer instances than the old one had. */
    void testTheOldInstancesStillCountWhenAVersionTakesOver() {
        const PoolGuard guard(*context_);
        for (int i = 0; i < 3; i++) {
            serve();
        }
        demand_->restore();
        deploy();
        standBy(2);
        takeOver(SpawnTask::Purpose::DEPLOY);
        CPPUNIT_ASSERT(demand_->restores(2));
        succession_->activateStandby();
        CPPUNIT_ASSERT(demand_->restores(2));
        standBy(2);
        standBy(2);
        succession_->activateStandby();
        CPPUNIT_ASSERT(!demand_->restores(2));
    }

    void testTheSuccessorOfADueInstanceTakesItsPlaceOnce() {
        const PoolGuard guard(*context_);
        const ProcessPtr due = serve();
        const ProcessPtr other = serve();
        SpawnTask task;
        task.purpose = SpawnTask::Purpose::REPLACE;
        task.replaces = due->id();
        pending_.begun(task);
        CPPUNIT_ASSERT(succession_->startingReplacement());
        CPPUNIT_ASSERT(succession_->replacing());
        pending_.concluded(task);
        CPPUNIT_ASSERT(!succession_->startingReplacement());
        for (int i = 0; i < 2; i++) {
            takeOver(SpawnTask::Purpose::REPLACE, due->id());
            takeOver(SpawnTask::Purpose::REPLACE, InstanceId(99));
            takeOver(SpawnTask::Purpose::GROW);
        }
        CPPUNIT_ASSERT(due->lifecycle().isReplaced());
        CPPUNIT_ASSERT(serves(other));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, counters_.replaced);
    }

    void testAnInstanceThatIsTakenOverServesSoon() {
        const PoolGuard guard(*context_);
        SpawnTask task;
        pending_.begun(task);
        CPPUNIT_ASSERT(!succession_->servesSoon());
        task.orphan = "instance:1";
        pending_.begun(task);
        CPPUNIT_ASSERT(succession_->servesSoon());
        CPPUNIT_ASSERT(!succession_->startingReplacement());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SuccessionTest);

}  // namespace Passenger
