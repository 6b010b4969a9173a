// Pool: applications that do not start, and instances that die.

#include <atomic>
#include <memory>

#include <cppunit/extensions/HelperMacros.h>

#include "base/Exceptions.h"
#include "support/Eventually.h"
#include "support/PoolContract.h"

namespace Passenger {

using namespace std::chrono_literals;

class PoolFailureTest : public PoolContract {
    CPPUNIT_TEST_SUITE(PoolFailureTest);
    CPPUNIT_TEST(testARequestSoonAfterAFailureIsRefusedWithTheLastReport);
    CPPUNIT_TEST(testTheSnapshotShowsAFailedApplication);
    CPPUNIT_TEST(testAnApplicationFailsUntilAStartSucceeds);
    CPPUNIT_TEST(testABalancersQuestionGetsTheNextAttempt);
    CPPUNIT_TEST(testABalancersQuestionStartsNothingThatHasNotFailed);
    CPPUNIT_TEST(testAReportIsForItsOwnApplication);
    CPPUNIT_TEST(testThereAreNoMoreThanFiveAttemptsInTenSeconds);
    CPPUNIT_TEST(testInDevelopmentARequestHalfASecondAfterAFailureGetsAnAttempt);
    CPPUNIT_TEST(testAfterAFailureOneInstanceIsStartedAtATime);
    CPPUNIT_TEST(testABurstThatFailsCountsOnce);
    CPPUNIT_TEST(testAllNeededInstancesStartOnceAStartSucceedsAfterAFailure);
    CPPUNIT_TEST(testAStartThatSucceedsForgetsTheFailures);
    CPPUNIT_TEST(testARestartForgetsTheFailures);
    CPPUNIT_TEST(testARestartUsesTheSettingsOfARefusedRequest);
    CPPUNIT_TEST(testTheFailedStartOfAFurtherInstanceRefusesNoRequest);
    CPPUNIT_TEST(testTheMinimumOfInstancesIsStartedAgainWithoutRequestsAfterAFailure);
    CPPUNIT_TEST(testWithoutRequestsThereAreThreeAttempts);
    CPPUNIT_TEST(testAfterThreeAttemptsEachRequestAndEachChangeGetsOne);
    CPPUNIT_TEST(testAnApplicationThatServesIsTriedForItsRequests);
    CPPUNIT_TEST(testADeadInstanceIsReplaced);
    CPPUNIT_TEST(testADeadInstanceIsReplacedWhileItsSessionIsStillOpen);
    CPPUNIT_TEST(testAWaitingRequestGetsTheReplacementOfADeadInstance);
    CPPUNIT_TEST(testWithoutRequestsInstancesThatDieWithoutAnAnswerAreReplacedTwice);
    CPPUNIT_TEST(testAChangeOfInstancesThatDieWithoutAnAnswerGetsOneAttempt);
    CPPUNIT_TEST(testAWaitingRequestIsRefusedAfterSeveralInstancesDied);
    CPPUNIT_TEST(testAnInstanceThatDiesAfterAnAnswerIsReplacedAtOnce);
    CPPUNIT_TEST(testTheDeathOfADrainingInstanceDoesNotCount);
    CPPUNIT_TEST(testAnInstanceThatDiesAfterThePoolsEndIsNotReplaced);
    CPPUNIT_TEST_SUITE_END();

    /** Fails all starts until it is set to 0. */
    void failAlways() { factory_->failuresToCome = 1'000'000; }
    bool refuses(const Options &options = app()) { return ask(options)->failure().status == 500; }

    void passSlowly(std::chrono::seconds time) {
        for (std::chrono::milliseconds passed{0}; passed < time; passed += 500ms) {
            pass(500ms);
            CPPUNIT_ASSERT(eventually([this] { return starting() == 0; }));
        }
    }
    unsigned starting() const {
        unsigned sum = 0;
        for (const GroupSnapshot &group : pool_->inspect().groups) {
            sum += group.starting;
        }
        return sum;
    }

public:
    void testARequestSoonAfterAFailureIsRefusedWithTheLastReport() {
        failAlways();
        const Refusal first = ask(app())->failure();
        const AnswerPtr second = ask(app());
        CPPUNIT_ASSERT(second->here());
        CPPUNIT_ASSERT_EQUAL(first.reportId, second->failure().reportId);
        CPPUNIT_ASSERT_EQUAL(1U, factory_->attempts());
    }

    void testTheSnapshotShowsAFailedApplication() {
        failAlways();
        const Refusal failure = ask(app())->failure();
        const GroupSnapshot snapshot = group();
        CPPUNIT_ASSERT(snapshot.state == nameOf(GroupState::FAILED));
        CPPUNIT_ASSERT_EQUAL(failure.reportId, snapshot.failure->report);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, snapshot.counters.spawnsFailed);
    }

    void testAnApplicationFailsUntilAStartSucceeds() {
        failAlways();
        CPPUNIT_ASSERT(refuses());
        CPPUNIT_ASSERT(group().failing);
        pass(500ms);
        CPPUNIT_ASSERT(group().state == nameOf(GroupState::DOWN));
        CPPUNIT_ASSERT(group().failing);
        pool_->restart(app().groupName());
        CPPUNIT_ASSERT(group().failing);
        factory_->failuresToCome = 0;
        factory_->hold();
        const AnswerPtr waiter = ask(app());
        factory_->waitUntilHeld(1);
        CPPUNIT_ASSERT(group().state == nameOf(GroupState::STARTING));
        CPPUNIT_ASSERT(group().failing);
        factory_->release();
        waiter->session();
        CPPUNIT_ASSERT(!group().failing);
    }

    void testABalancersQuestionGetsTheNextAttempt() {
        failAlways();
        CPPUNIT_ASSERT(refuses());
        const auto tryAgain = [this] {
            pool_->tryAgain(app().groupName());
            CPPUNIT_ASSERT(eventually([this] { return starting() == 0; }));
        };
        for (unsigned attempt = 1; attempt <= 5; attempt++) {
            // Too early: the pauses are 0.5, 1, 2, 4, … seconds.
            tryAgain();
            CPPUNIT_ASSERT_EQUAL(attempt, factory_->attempts());
            passSlowly(60s);
            CPPUNIT_ASSERT_EQUAL(attempt, factory_->attempts());
            tryAgain();
            CPPUNIT_ASSERT_EQUAL(attempt + 1, factory_->attempts());
            CPPUNIT_ASSERT(group().failing);
        }
        factory_->failuresToCome = 0;
        passSlowly(60s);
        tryAgain();
        CPPUNIT_ASSERT(eventuallyServing(1));
        CPPUNIT_ASSERT(!group().failing);
    }

    void testABalancersQuestionStartsNothingThatHasNotFailed() {
        pool_->tryAgain(app().groupName());
        get(app()).reset();
        passSlowly(600s);
        CPPUNIT_ASSERT(group().state == nameOf(GroupState::DOWN));
        pool_->tryAgain(app().groupName());
        pass(5s);
        CPPUNIT_ASSERT_EQUAL(1U, factory_->attempts());
    }

    void testAReportIsForItsOwnApplication() {
        failAlways();
        const std::string id = ask(app())->failure().reportId;
        CPPUNIT_ASSERT(pool_->report(id, app().groupName()));
        CPPUNIT_ASSERT(!pool_->report(id, "/srv/another (production)"));
    }

    void testThereAreNoMoreThanFiveAttemptsInTenSeconds() {
        failAlways();
        std::vector<MonotonicTime> attempts;
        for (int i = 0; i < 1200; i++) {
            const unsigned before = factory_->attempts();
            CPPUNIT_ASSERT(refuses());
            if (factory_->attempts() > before) {
                attempts.push_back(clock_.now());
            }
            pass(50ms);
        }
        for (std::size_t i = 5; i < attempts.size(); i++) {
            CPPUNIT_ASSERT(attempts[i] - attempts[i - 5] > 10s);
        }
        // At 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 seconds.
        CPPUNIT_ASSERT_EQUAL(7U, factory_->attempts());
    }

    void testInDevelopmentARequestHalfASecondAfterAFailureGetsAnAttempt() {
        Options options = app();
        options.environment = "development";
        failAlways();
        for (unsigned attempt = 1; attempt <= 10; attempt++) {
            CPPUNIT_ASSERT(refuses(options));
            CPPUNIT_ASSERT_EQUAL(attempt, factory_->attempts());
            pass(500ms);
        }
        factory_->failuresToCome = 0;
        get(options).reset();
    }

    void testAfterAFailureOneInstanceIsStartedAtATime() {
        failAlways();
        CPPUNIT_ASSERT(refuses());
        pass(500ms);
        factory_->hold();
        const std::vector<AnswerPtr> waiters{ask(app()), ask(app()), ask(app())};
        pass(50ms);
        factory_->waitUntilHeld(1);
        CPPUNIT_ASSERT_EQUAL(2U, factory_->attempts());
        factory_->release();
        for (const AnswerPtr &waiter : waiters) {
            CPPUNIT_ASSERT(waiter->failure().status == 500);
        }
        CPPUNIT_ASSERT_EQUAL(2U, factory_->attempts());
    }

    void testABurstThatFailsCountsOnce() {
        factory_->hold();
        failAlways();
        const std::vector<AnswerPtr> waiters{ask(app()), ask(app()), ask(app())};
        pass(50ms);
        factory_->waitUntilHeld(3);
        factory_->release();
        for (const AnswerPtr &waiter : waiters) {
            CPPUNIT_ASSERT(waiter->comes());
        }
        factory_->failuresToCome = 0;
        pass(500ms);
        CPPUNIT_ASSERT(ask(app())->session() != nullptr);
    }

    void testAllNeededInstancesStartOnceAStartSucceedsAfterAFailure() {
        factory_->failuresToCome = 1;
        CPPUNIT_ASSERT(refuses());
        pass(500ms);
        const std::vector<AnswerPtr> waiters{ask(app()), ask(app()), ask(app())};
        std::vector<HeldPtr> sessions;
        sessions.reserve(waiters.size());
        for (const AnswerPtr &waiter : waiters) {
            sessions.push_back(waiter->session());
        }
        CPPUNIT_ASSERT_EQUAL(3U, count());
    }

    void testAStartThatSucceedsForgetsTheFailures() {
        factory_->failuresToCome = 3;
        for (const auto delay : {500ms, 1000ms, 2000ms}) {
            CPPUNIT_ASSERT(refuses());
            pass(delay);
        }
        get().reset();
        pool_->clear();
        factory_->failuresToCome = 1;
        CPPUNIT_ASSERT(refuses());
        pass(500ms);
        CPPUNIT_ASSERT(get() != nullptr);
    }

    void testARestartForgetsTheFailures() {
        factory_->failuresToCome = 1;
        CPPUNIT_ASSERT(refuses(inFolder()));
        restart();
        CPPUNIT_ASSERT(get(inFolder()) != nullptr);
        CPPUNIT_ASSERT(group(inFolder()).state == nameOf(GroupState::SERVING));
    }

    void testARestartUsesTheSettingsOfARefusedRequest() {
        factory_->failuresToCome = 1;
        CPPUNIT_ASSERT(refuses(inFolder()));
        Options corrected = inFolder();
        corrected.threads = 3;
        corrected.minInstances = 1;
        CPPUNIT_ASSERT(refuses(corrected));
        std::atomic<unsigned> threads{0};
        factory_->beforeSpawn = [&threads](const Options &options) { threads = options.threads; };
        restart();
        CPPUNIT_ASSERT(eventuallyCount(1));
        CPPUNIT_ASSERT_EQUAL(3U, threads.load());
    }

    void testTheFailedStartOfAFurtherInstanceRefusesNoRequest() {
        HeldPtr session = get();
        failAlways();
        const AnswerPtr waiter = ask(app());
        CPPUNIT_ASSERT(eventually([this] { return group().counters.spawnsFailed == 1; }));
        CPPUNIT_ASSERT(group().state == nameOf(GroupState::SERVING));
        for (int i = 0; i < 200; i++) {
            pass(50ms);
            CPPUNIT_ASSERT(eventually([this] { return group().starting == 0; }));
        }
        CPPUNIT_ASSERT(!waiter->here());
        CPPUNIT_ASSERT_MESSAGE("No more than five attempts in ten seconds", factory_->attempts() <= 1 + 5);
        session.reset();
        CPPUNIT_ASSERT(waiter->session() != nullptr);
    }

    void testTheMinimumOfInstancesIsStartedAgainWithoutRequestsAfterAFailure() {
        Options options = app();
        options.minInstances = 2;
        // A start may go on after the test.
        const auto boots = std::make_shared<std::atomic<unsigned>>(0);
        factory_->beforeSpawn = [boots](const Options &) {
            if (++*boots == 2) {
                throw SpawnException("the second one fails");
            }
        };
        get(options).reset();
        CPPUNIT_ASSERT(eventually([this] { return group().counters.spawnsFailed == 1; }));
        pass(500ms);
        CPPUNIT_ASSERT(eventuallyServing(2));
    }

    void testWithoutRequestsThereAreThreeAttempts() {
        failAlways();
        Options options = app();
        options.minInstances = 1;
        CPPUNIT_ASSERT(refuses(options));
        passSlowly(600s);
        CPPUNIT_ASSERT_EQUAL(3U, factory_->attempts());
        // One of them in full.
        const std::string failed = "event=spawn.failed app=\"" + app().groupName() + "\"";
        CPPUNIT_ASSERT_EQUAL(3U, log_->count(failed));
        CPPUNIT_ASSERT_EQUAL(1U, log_->count(" repeated=1 "));
        CPPUNIT_ASSERT_EQUAL(1U, log_->count(" repeated=2 "));
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("The dummy spawner was told to fail."));
    }

    void testAfterThreeAttemptsEachRequestAndEachChangeGetsOne() {
        failAlways();
        Options options = inFolder();
        options.minInstances = 1;
        CPPUNIT_ASSERT(refuses(options));
        passSlowly(600s);
        CPPUNIT_ASSERT_EQUAL(3U, factory_->attempts());
        CPPUNIT_ASSERT(refuses(options));
        passSlowly(600s);
        CPPUNIT_ASSERT_EQUAL(4U, factory_->attempts());
        restart();
        passSlowly(600s);
        CPPUNIT_ASSERT_EQUAL(5U, factory_->attempts());
        factory_->failuresToCome = 0;
        CPPUNIT_ASSERT(get(options) != nullptr);
    }

    void testAnApplicationThatServesIsTriedForItsRequests() {
        Options options = app();
        options.minInstances = 2;
        // A start may go on after the test.
        const auto boots = std::make_shared<std::atomic<unsigned>>(0);
        factory_->beforeSpawn = [boots](const Options &) {
            if (++*boots > 1) {
                throw SpawnException("the second one fails");
            }
        };
        get(options).reset();
        passSlowly(600s);
        // Two at once; then three attempts, counted from the start that succeeded.
        const unsigned attempts = factory_->attempts();
        CPPUNIT_ASSERT(attempts == 4 || attempts == 5);
        get(options).reset();
        passSlowly(600s);
        CPPUNIT_ASSERT_EQUAL(attempts + 1, factory_->attempts());
    }

    void testADeadInstanceIsReplaced() {
        warmUp(2);
        die(0);
        CPPUNIT_ASSERT(eventually([&] { return made() == 3; }));
        CPPUNIT_ASSERT(eventuallyServing(2));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, group().counters.died);
    }

    void testADeadInstanceIsReplacedWhileItsSessionIsStillOpen() {
        HeldPtr session = get();
        die(0);
        CPPUNIT_ASSERT(eventually([&] { return made() == 2; }));
        CPPUNIT_ASSERT(eventuallyServing(1));
        session.reset();
        CPPUNIT_ASSERT_EQUAL(0U, pool_->getActive());
        CPPUNIT_ASSERT_EQUAL(1U, count());
        CPPUNIT_ASSERT(get() != nullptr);
    }

    void testAWaitingRequestGetsTheReplacementOfADeadInstance() {
        setMax(1);
        const HeldPtr session = get();
        const DummyInstance *dead = instanceOf(session);
        const AnswerPtr waiter = ask(app());
        die(0);
        CPPUNIT_ASSERT(instanceOf(waiter->session()) != dead);
    }

    void testWithoutRequestsInstancesThatDieWithoutAnAnswerAreReplacedTwice() {
        Options options = app();
        options.minInstances = 1;
        get(options).reset();
        for (std::size_t death = 0; death < 2; death++) {
            die(death);
            CPPUNIT_ASSERT(eventually([&] { return made() == death + 2; }));
            CPPUNIT_ASSERT(eventuallyServing(1));
        }
        die(2);
        CPPUNIT_ASSERT(eventuallyCount(0));
        passSlowly(600s);
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, made());
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=app.unstable"));
        CPPUNIT_ASSERT(group().crashLooping);

        // A request gets an attempt, and no further one follows without another request.
        HeldPtr session = get(options);
        die(3);
        CPPUNIT_ASSERT(eventuallyCount(0));
        session.reset();
        passSlowly(600s);
        CPPUNIT_ASSERT_EQUAL(std::size_t{4}, made());
        CPPUNIT_ASSERT_EQUAL(2U, log_->count("event=app.unstable"));
        CPPUNIT_ASSERT_EQUAL(1U, log_->count(" repeated=1 "));

        // An answer ends the row.
        get(options).reset();
        clock_.advance(1s);
        get(options).reset();
        for (std::size_t death = 4; death < 7; death++) {
            CPPUNIT_ASSERT(eventuallyServing(1));
            die(death);
            CPPUNIT_ASSERT(eventually([&] { return made() == death + 2 || death == 6; }));
        }
    }

    void testAChangeOfInstancesThatDieWithoutAnAnswerGetsOneAttempt() {
        Options options = inFolder();
        options.minInstances = 1;
        get(options).reset();
        for (std::size_t death = 0; death < 3; death++) {
            CPPUNIT_ASSERT(eventuallyServing(1, options));
            die(death);
            CPPUNIT_ASSERT(eventually([&] { return made() == death + 2 || death == 2; }));
        }
        CPPUNIT_ASSERT(eventuallyCount(0));
        restart();
        CPPUNIT_ASSERT(eventually([&] { return made() == 4; }));
        CPPUNIT_ASSERT(eventuallyServing(1, options));
        die(3);
        CPPUNIT_ASSERT(eventuallyCount(0));
        passSlowly(600s);
        CPPUNIT_ASSERT_EQUAL(std::size_t{4}, made());
    }

    void testAWaitingRequestIsRefusedAfterSeveralInstancesDied() {
        setMax(1);
        std::vector<HeldPtr> sessions;
        sessions.push_back(get());
        AnswerPtr waiter = ask(app());
        for (std::size_t death = 0; death < 4; death++) {
            die(death);
            sessions.push_back(waiter->session());
            waiter = ask(app());
        }
        die(4);
        CPPUNIT_ASSERT(waiter->failure().status == 500);
        CPPUNIT_ASSERT(waiter->failure().summary.starts_with("instances of /srv/blog (production) end soon"));
        CPPUNIT_ASSERT(log_->contains("event=app.unstable"));
        CPPUNIT_ASSERT(group().state == nameOf(GroupState::FAILED));
    }

    void testAnInstanceThatDiesAfterAnAnswerIsReplacedAtOnce() {
        get().reset();
        for (std::size_t death = 0; death < 10; death++) {
            clock_.advance(1s);
            get().reset();
            die(death);
            CPPUNIT_ASSERT(eventually([&] { return made() == death + 2; }));
            CPPUNIT_ASSERT(eventuallyServing(1));
        }
    }

    void testTheDeathOfADrainingInstanceDoesNotCount() {
        const HeldPtr session = get(inFolder());
        restart();
        CPPUNIT_ASSERT(eventually([this] { return group(inFolder()).version == 2; }));
        die(0);
        CPPUNIT_ASSERT(eventuallyCount(1));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, group(inFolder()).counters.died);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, made());
    }

    void testAnInstanceThatDiesAfterThePoolsEndIsNotReplaced() {
        const HeldPtr session = get();
        pool_->shutDown();
        die(0);
        CPPUNIT_ASSERT(eventuallyCount(0));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, made());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolFailureTest);

}  // namespace Passenger
