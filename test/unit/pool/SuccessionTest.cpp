#include "pool/Succession.h"

#include <cppunit/extensions/HelperMacros.h>

#include <memory>
#include <optional>
#include <string>

#include "base/Exceptions.h"
#include "pool/PreloaderCare.h"
#include "support/GroupParts.h"
#include "support/NoDescriptors.h"

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
    CPPUNIT_TEST(testAVersionServesAtOnceIfNothingServes);
    CPPUNIT_TEST(testAVersionIsDeployedWhileAnotherOneServes);
    CPPUNIT_TEST(testWithoutRollingRestartsTheOldInstancesEndFirst);
    CPPUNIT_TEST(testARestartWithoutDescriptorsChangesNothing);
    CPPUNIT_TEST(testALateVersionIsGivenUpAtTheSecondAttempt);
    CPPUNIT_TEST(testWithoutResistanceAVersionThatFailsTakesOver);
    CPPUNIT_TEST(testAFailureOfTheOldVersionCountsIfNothingServesBetweenTwoAttempts);
    CPPUNIT_TEST(testAFailedVersionIsTriedAgainOnceWithEachStartupFile);
    CPPUNIT_TEST(testAnAlwaysRestartWaitsForARequestAndForTheLastRestart);
    CPPUNIT_TEST_SUITE_END();

    AppCounters counters_;
    Spawns spawns_{counters_};
    std::optional<QueuePause> pause_;
    std::optional<FailureReports> reports_;
    std::optional<Versions> versions_;
    std::optional<Demand> demand_;
    std::optional<PreloaderCare> preloader_;
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
    bool attemptFails(std::uint64_t version, bool late = false) REQUIRES(poolLock) {
        SpawnTask task;
        task.version = version;
        Report report;
        report.late = late;
        return succession_->attemptFailed(
            task, {GetFailure::Reason::SPAWN_FAILED, "an error", std::make_shared<const Report>(report)}, "-");
    }
    static bool serves(const ProcessPtr &process) { return process->state() == Process::State::SERVING; }
    static bool ends(const ProcessPtr &process) { return process->state() == Process::State::DRAINING; }

public:
    void setUp() override {
        GroupParts::setUp();
        makeQueue();
        const PoolGuard guard(*context_);
        pause_.emplace(*pauses_, clock_, *queue_, *instances_);
        reports_.emplace(app_, context_->reports);
        versions_.emplace(app_, context_->threads, factory_->create(options_));
        demand_.emplace(options_, settings_, *pauses_, *queue_, *instances_);
        preloader_.emplace(PreloaderCare::Parts{app_, options_, *context_, spawns_, *instances_, *versions_, counters_},
                           PreloaderCare::Events{[](Process &, const std::string &) {}, [] {}});
        succession_.emplace(Succession::Parts{app_, options_, *context_, *queue_, *instances_, *pause_, spawns_,
                                              *reports_, *versions_, *demand_, *preloader_, counters_});
    }
    void tearDown() override {
        succession_.reset();
        preloader_.reset();
        demand_.reset();
        versions_.reset();
        reports_.reset();
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
        spawns_.begun(task);
        CPPUNIT_ASSERT(succession_->startingReplacement());
        CPPUNIT_ASSERT(succession_->replacing());
        spawns_.concluded(task);
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
        spawns_.begun(task);
        CPPUNIT_ASSERT(!succession_->servesSoon());
        task.orphan = "instance:1";
        spawns_.begun(task);
        CPPUNIT_ASSERT(succession_->servesSoon());
        CPPUNIT_ASSERT(!succession_->startingReplacement());
    }

    void testAVersionServesAtOnceIfNothingServes() {
        const PoolGuard guard(*context_);
        const QueueGenerationPtr queue = queue_->current();
        CPPUNIT_ASSERT(!succession_->lastRestart(now()));
        succession_->restart("it was ordered");
        CPPUNIT_ASSERT(!versions_->deployment());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, versions_->current());
        CPPUNIT_ASSERT_MESSAGE("Requests may wait in it", queue_->current() == queue);
        clock_.advance(std::chrono::seconds(5));
        CPPUNIT_ASSERT_EQUAL(std::string("it was ordered"), succession_->lastRestart(now())->reason);
        CPPUNIT_ASSERT(succession_->lastRestart(now())->age == 5);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, counters_.restarts);
    }

    void testAVersionIsDeployedWhileAnotherOneServes() {
        const PoolGuard guard(*context_);
        const ProcessPtr old = serve();
        const ProcessPtr companion = standBy(2);
        const QueueGenerationPtr queue = queue_->current();
        succession_->restart("it was ordered");
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, versions_->deployment()->version);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, versions_->current());
        CPPUNIT_ASSERT(queue_->current() == queue && versions_->deployment()->queue != queue);
        CPPUNIT_ASSERT(serves(old));
        CPPUNIT_ASSERT_MESSAGE("It is of an earlier deployment", ends(companion));
        CPPUNIT_ASSERT(demand_->restores(0));
    }

    void testWithoutRollingRestartsTheOldInstancesEndFirst() {
        options_.rollingRestarts = false;
        const PoolGuard guard(*context_);
        const ProcessPtr old = serve();
        const QueueGenerationPtr queue = queue_->current();
        succession_->restart("it was ordered");
        CPPUNIT_ASSERT(!versions_->deployment());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, versions_->current());
        CPPUNIT_ASSERT(queue_->current() != queue);
        CPPUNIT_ASSERT(ends(old));
    }

    void testARestartWithoutDescriptorsChangesNothing() {
        const PoolGuard guard(*context_);
        const ProcessPtr old = serve();
        {
            const NoDescriptors shortage;
            CPPUNIT_ASSERT_THROW(succession_->restart("it was ordered"), SystemException);
        }
        CPPUNIT_ASSERT(!versions_->deployment());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, versions_->current());
        CPPUNIT_ASSERT(serves(old));
        CPPUNIT_ASSERT(!succession_->lastRestart(now()));
        CPPUNIT_ASSERT_EQUAL(0U, log_->count("event=app.restart"));
    }

    void testALateVersionIsGivenUpAtTheSecondAttempt() {
        const PoolGuard guard(*context_);
        const ProcessPtr old = serve();
        deploy();
        const ProcessPtr companion = standBy(2);
        CPPUNIT_ASSERT(!attemptFails(2, true));
        CPPUNIT_ASSERT(versions_->deployment());
        CPPUNIT_ASSERT(!ends(companion));
        CPPUNIT_ASSERT(attemptFails(2, true));
        CPPUNIT_ASSERT(!versions_->deployment());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, versions_->current());
        CPPUNIT_ASSERT(serves(old));
        CPPUNIT_ASSERT(ends(companion));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, counters_.deploysFailed);
    }

    void testWithoutResistanceAVersionThatFailsTakesOver() {
        options_.resistDeploymentErrors = false;
        const PoolGuard guard(*context_);
        const ProcessPtr old = serve();
        deploy();
        CPPUNIT_ASSERT(!attemptFails(2));
        CPPUNIT_ASSERT(!versions_->deployment());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, versions_->current());
        CPPUNIT_ASSERT(ends(old));
    }

    void testAFailureOfTheOldVersionCountsIfNothingServesBetweenTwoAttempts() {
        const PoolGuard guard(*context_);
        const ProcessPtr old = serve();
        deploy();
        attemptFails(2, true);
        CPPUNIT_ASSERT(!attemptFails(1, true));
        CPPUNIT_ASSERT(versions_->deployment());
        instances_->retire(old);
        CPPUNIT_ASSERT(attemptFails(1, true));
        CPPUNIT_ASSERT(!versions_->deployment());
        CPPUNIT_ASSERT_MESSAGE("There is no deployment", !attemptFails(1));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, counters_.deploysFailed);
    }

    void testAFailedVersionIsTriedAgainOnceWithEachStartupFile() {
        const PoolGuard guard(*context_);
        serve();
        succession_->restart("it was ordered");
        attemptFails(2);
        CPPUNIT_ASSERT_MESSAGE("It was tried with this one", !succession_->follow(options_));
        options_.startupFile = "app.js";
        {
            const NoDescriptors shortage;
            CPPUNIT_ASSERT_THROW(succession_->follow(options_), SystemException);
        }
        CPPUNIT_ASSERT(succession_->follow(options_));
        CPPUNIT_ASSERT_EQUAL(std::string("it has another startup file"), succession_->lastRestart(now())->reason);
        attemptFails(3);
        CPPUNIT_ASSERT(!succession_->follow(options_));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, counters_.restarts);
    }

    void testAnAlwaysRestartWaitsForARequestAndForTheLastRestart() {
        const PoolGuard guard(*context_);
        CPPUNIT_ASSERT(!succession_->mayAlwaysRestart());
        serve();
        CPPUNIT_ASSERT(!succession_->mayAlwaysRestart());
        send(Ticket(1));
        CPPUNIT_ASSERT(succession_->mayAlwaysRestart());
        spawns_.begun(SpawnTask());
        CPPUNIT_ASSERT(!succession_->mayAlwaysRestart());
        spawns_.concluded(SpawnTask());
        succession_->restart("it was ordered");
        CPPUNIT_ASSERT(!succession_->mayAlwaysRestart());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SuccessionTest);

}  // namespace Passenger
