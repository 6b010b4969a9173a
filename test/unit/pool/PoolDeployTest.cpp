// Pool: another version takes over.

#include <cppunit/extensions/HelperMacros.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "base/Exceptions.h"
#include "spawning/Preloader.h"
#include "support/Eventually.h"
#include "support/PoolContract.h"

namespace Passenger {

using namespace std::chrono_literals;

class PoolDeployTest : public PoolContract {
    CPPUNIT_TEST_SUITE(PoolDeployTest);
    CPPUNIT_TEST(testTheOldVersionServesUntilTheNewOneHasBooted);
    CPPUNIT_TEST(testTheOldInstancesDrainOnceTheFirstInstanceOfTheNewVersionServes);
    CPPUNIT_TEST(testTheFirstAnswerOfTheNewVersionIsLoggedOnce);
    CPPUNIT_TEST(testTheFirstAnswerIsExpectedForAnHour);
    CPPUNIT_TEST(testTheNewVersionGetsAsManyInstancesAsTheOldVersion);
    CPPUNIT_TEST(testAVersionThatDoesNotBootLeavesTheOldOneServing);
    CPPUNIT_TEST(testIfDeploymentErrorsAreNotResistedRequestsGetThem);
    CPPUNIT_TEST(testAQuestionForARestartIsAnsweredAfterTheLook);
    CPPUNIT_TEST(testManyQuestionsForARestartAreAllAnswered);
    CPPUNIT_TEST(testTheSnapshotShowsAFailedDeployWithItsReport);
    CPPUNIT_TEST(testAFailedDeployIsTriedAgainWhenTheFileChanges);
    CPPUNIT_TEST(testAFailedDeployIsNotTriedAgainByItself);
    CPPUNIT_TEST(testADeployWhoseFailureMayPassIsTriedAgain);
    CPPUNIT_TEST(testADeployWhoseFailureDoesNotPassFailsAfterSixAttempts);
    CPPUNIT_TEST(testAFailedDeployOfABusyApplicationRefusesNoRequest);
    CPPUNIT_TEST(testTheSecondOfTwoRestartsDeterminesTheVersion);
    CPPUNIT_TEST(testALateFailureOfAnOvertakenDeployHasNoEffect);
    CPPUNIT_TEST(testRequestsWaitForTheNewVersionAfterTheLastOldInstanceDied);
    CPPUNIT_TEST(testTheOldVersionIsStartedAgainIfItsLastInstanceDiedAndTheNewVersionFails);
    CPPUNIT_TEST(testRequestsAreRefusedIfTheOldVersionDoesNotStartAgainEither);
    CPPUNIT_TEST(testAfterAFailedDeployAnInstanceThatLoadsTheFilesIsOneOfTheNewVersion);
    CPPUNIT_TEST(testAfterAFailedDeployAForkIsOneOfTheOldVersion);
    CPPUNIT_TEST(testTheOldVersionReturnsIfItsLastInstanceDiesBetweenTwoAttempts);
    CPPUNIT_TEST(testWithoutRollingRestartsRequestsWaitForTheNewVersion);
    CPPUNIT_TEST(testWithoutRollingRestartsOldInstancesFinishTheirRequests);
    CPPUNIT_TEST(testRequestsOfEndingInstancesAreNotInTheQueue);
    CPPUNIT_TEST(testRequestsBeyondTheQueueAreRefusedBesideEndingInstances);
    CPPUNIT_TEST(testAnApplicationClearedDuringADeployStartsAgainWithTheNewVersion);
    CPPUNIT_TEST(testThePoolsEndEndsADeploy);
    CPPUNIT_TEST_SUITE_END();

    std::string state() const { return group(inFolder()).state; }
    std::uint64_t version() const { return group(inFolder()).version; }
    bool eventuallyVersion(std::uint64_t version) const {
        return eventually([&] { return this->version() == version; });
    }
    /** Restarts with the new version's first boot under way. */
    void beginToDeploy() {
        factory_->hold();
        restart();
        factory_->waitUntilHeld(1);
    }
    /** So many of the next starts fail, and the application has no part in that. */
    void failFor(unsigned attempts) {
        factory_->beforeSpawn = [attempts, began = factory_->attempts(), this](const Options &) {
            if (factory_->attempts() <= began + attempts) {
                Report report;
                report.mayPass = true;
                throw SpawnException(report);
            }
        };
    }
    /** Its requests fill the pool, and the queue has fewer places than they are. */
    Options busy() const {
        Options options = inFolder();
        options.threads = 5;
        options.maxQueueSize = 10;
        options.minInstances = options.maxInstances = 3;
        return options;
    }
    std::vector<HeldPtr> takeAll() {
        std::vector<HeldPtr> held;
        held.push_back(get(busy()));
        CPPUNIT_ASSERT(eventuallyServing(3, busy()));
        while (held.size() < 15) {
            held.push_back(get(busy()));
        }
        return held;
    }
    Options notRolling() const {
        Options options = inFolder();
        options.rollingRestarts = false;
        return options;
    }

public:
    void testTheOldVersionServesUntilTheNewOneHasBooted() {
        get(inFolder()).reset();
        beginToDeploy();
        CPPUNIT_ASSERT(state() == nameOf(GroupState::DEPLOYING));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, version());
        CPPUNIT_ASSERT(ask(inFolder())->here());
        factory_->release();
        CPPUNIT_ASSERT(eventuallyVersion(2));
        CPPUNIT_ASSERT(state() == nameOf(GroupState::SERVING));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, group(inFolder()).counters.restarts);
    }

    void testTheOldInstancesDrainOnceTheFirstInstanceOfTheNewVersionServes() {
        HeldPtr session = get(inFolder());
        const InstanceId old = instances(inFolder())[0].id;
        restart();
        CPPUNIT_ASSERT(eventuallyVersion(2));
        CPPUNIT_ASSERT((instancesThat(Process::State::DRAINING, inFolder()) == std::vector<InstanceId>{old}));
        session.reset();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, instances(inFolder()).size());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, instances(inFolder())[0].version);
    }

    void testTheFirstAnswerOfTheNewVersionIsLoggedOnce() {
        get(inFolder()).reset();
        pass(5s);
        restart();
        CPPUNIT_ASSERT(eventuallyVersion(2));
        pass(2s);
        HeldPtr first = get(inFolder());
        pass(1s);
        CPPUNIT_ASSERT_EQUAL(0U, log_->count("event=deploy.answered"));
        first.reset();
        pass(10s);
        CPPUNIT_ASSERT(log_->contains("event=deploy.answered app=\"" + group(inFolder()).name +
                                      "\" version=2 first_request=3000"));
        get(inFolder()).reset();
        pass(60s);
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=deploy.answered"));
    }

    void testTheFirstAnswerIsExpectedForAnHour() {
        Options options = inFolder();
        options.minInstances = 1;
        get(options).reset();
        restart();
        CPPUNIT_ASSERT(eventuallyVersion(2));
        advance(2h, 1min);
        get(options).reset();
        pass(60s);
        CPPUNIT_ASSERT_EQUAL(0U, log_->count("event=deploy.answered"));
    }

    void testTheNewVersionGetsAsManyInstancesAsTheOldVersion() {
        warmUp(3, inFolder());
        restart();
        CPPUNIT_ASSERT(eventuallyVersion(2));
        CPPUNIT_ASSERT(eventuallyServing(3, inFolder()));
        for (const ProcessSnapshot &process : instances(inFolder())) {
            CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, process.version);
        }
    }

    void testAVersionThatDoesNotBootLeavesTheOldOneServing() {
        get(inFolder()).reset();
        const InstanceId old = instances(inFolder())[0].id;
        factory_->failuresToCome = 1;
        restart();
        CPPUNIT_ASSERT(eventuallyState(GroupState::DEPLOY_FAILED, inFolder()));
        CPPUNIT_ASSERT((instancesThat(Process::State::SERVING, inFolder()) == std::vector<InstanceId>{old}));
        CPPUNIT_ASSERT(ask(inFolder())->here());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, version());
    }

    void testIfDeploymentErrorsAreNotResistedRequestsGetThem() {
        Options options = inFolder();
        options.resistDeploymentErrors = false;
        get(options).reset();
        factory_->failuresToCome = 1;
        restart();
        CPPUNIT_ASSERT(eventuallyState(GroupState::FAILED, options));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, version());
        CPPUNIT_ASSERT(instancesThat(Process::State::SERVING, options).empty());
        CPPUNIT_ASSERT(ask(options)->failure().status == 500);
        CPPUNIT_ASSERT(log_->contains("event=deploy.failed"));
        pass(500ms);
        CPPUNIT_ASSERT(get(options) != nullptr);
    }

    /** Asks, and waits for the answer. @return how many answers came */
    unsigned askForRestart(unsigned times) {
        std::atomic<unsigned> answers = 0;
        for (unsigned i = 0; i < times; i++) {
            pool_->askForRestart(inFolder().groupName(), [&](bool looked) { answers += looked ? 1 : 0; });
        }
        CPPUNIT_ASSERT(eventually([&] { return answers == times; }));
        return answers;
    }
    void touch() {
        std::filesystem::create_directories(folder_->path() + "/tmp");
        std::ofstream(folder_->path() + "/tmp/restart.txt").flush();
    }

    void testAQuestionForARestartIsAnsweredAfterTheLook() {
        // Not known yet: answered at once.
        askForRestart(1);
        get(notRolling()).reset();
        askForRestart(1);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, version());
        touch();
        askForRestart(1);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, version());
    }

    void testManyQuestionsForARestartAreAllAnswered() {
        get(notRolling()).reset();
        touch();
        CPPUNIT_ASSERT_EQUAL(50U, askForRestart(50));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, version());
    }

    void testTheSnapshotShowsAFailedDeployWithItsReport() {
        get(inFolder()).reset();
        factory_->failuresToCome = 1;
        restart();
        CPPUNIT_ASSERT(eventuallyState(GroupState::DEPLOY_FAILED, inFolder()));
        const GroupSnapshot snapshot = group(inFolder());
        CPPUNIT_ASSERT_EQUAL(std::string("deploy-failed"), snapshot.state);
        CPPUNIT_ASSERT_EQUAL(std::string("The dummy spawner was told to fail.\n"),
                             pool_->report(snapshot.failure->report)->parts.at(0).text);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, snapshot.counters.deploysFailed);
        CPPUNIT_ASSERT(log_->contains("event=deploy.failed"));
        CPPUNIT_ASSERT(log_->contains("report=" + snapshot.failure->report));
    }

    void testAFailedDeployIsTriedAgainWhenTheFileChanges() {
        get(inFolder()).reset();
        factory_->failuresToCome = 1;
        restart();
        CPPUNIT_ASSERT(eventuallyState(GroupState::DEPLOY_FAILED, inFolder()));
        restart();
        CPPUNIT_ASSERT(eventuallyState(GroupState::SERVING, inFolder()));
        CPPUNIT_ASSERT(version() > 1);
        CPPUNIT_ASSERT_EQUAL(3U, factory_->attempts());
    }

    void testAFailedDeployIsNotTriedAgainByItself() {
        get(inFolder()).reset();
        factory_->failuresToCome = 1;
        restart();
        CPPUNIT_ASSERT(eventuallyState(GroupState::DEPLOY_FAILED, inFolder()));
        advance(30s, 1s);
        pool_->checkRestarts();
        CPPUNIT_ASSERT_EQUAL(2U, factory_->attempts());
        CPPUNIT_ASSERT(state() == nameOf(GroupState::DEPLOY_FAILED));
    }

    void testADeployWhoseFailureMayPassIsTriedAgain() {
        get(inFolder()).reset();
        failFor(3);
        restart();
        for (const std::chrono::milliseconds delay : {500ms, 1000ms, 2000ms}) {
            CPPUNIT_ASSERT(eventually([this] { return group(inFolder()).starting == 0; }));
            CPPUNIT_ASSERT(state() == nameOf(GroupState::DEPLOYING));
            CPPUNIT_ASSERT(ask(inFolder())->here());
            pass(delay);
        }
        CPPUNIT_ASSERT(eventuallyVersion(2));
        CPPUNIT_ASSERT_EQUAL(0U, log_->count("event=deploy.failed"));
        CPPUNIT_ASSERT_EQUAL(5U, factory_->attempts());
    }

    void testADeployWhoseFailureDoesNotPassFailsAfterSixAttempts() {
        get(inFolder()).reset();
        failFor(100);
        restart();
        for (unsigned attempts = 2; attempts <= 7; attempts++) {
            CPPUNIT_ASSERT(
                eventually([&] { return factory_->attempts() == attempts && group(inFolder()).starting == 0; }));
            pass(8s);
        }
        CPPUNIT_ASSERT(state() == nameOf(GroupState::DEPLOY_FAILED));
        CPPUNIT_ASSERT_EQUAL(7U, factory_->attempts());
        CPPUNIT_ASSERT(ask(inFolder())->here());
    }

    void testAFailedDeployOfABusyApplicationRefusesNoRequest() {
        setMax(1);
        HeldPtr session = get(inFolder());
        const AnswerPtr waiter = ask(inFolder());
        factory_->failuresToCome = 1;
        restart();
        CPPUNIT_ASSERT(eventuallyState(GroupState::DEPLOY_FAILED, inFolder()));
        CPPUNIT_ASSERT(!waiter->here());
        const DummyInstance *old = instanceOf(session);
        session.reset();
        CPPUNIT_ASSERT_EQUAL(old, instanceOf(waiter->session()));
    }

    void testTheSecondOfTwoRestartsDeterminesTheVersion() {
        get(inFolder()).reset();
        beginToDeploy();
        restart();
        factory_->release();
        CPPUNIT_ASSERT(eventuallyVersion(3));
        CPPUNIT_ASSERT(eventuallyServing(1, inFolder()));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{3}, instances(inFolder())[0].version);
        CPPUNIT_ASSERT(eventually([this] { return size() == 1 && factory_->alive() == 1; }));
    }

    void testALateFailureOfAnOvertakenDeployHasNoEffect() {
        get(inFolder()).reset();
        std::atomic<unsigned> boots = 0;
        std::atomic<bool> go = false;
        factory_->beforeSpawn = [&](const Options &) {
            if (++boots == 1) {
                eventually([&] { return go.load(); });
                throw SpawnException("the overtaken one fails late");
            }
        };
        restart();
        CPPUNIT_ASSERT(eventually([&] { return boots == 1; }));
        restart();
        go = true;
        CPPUNIT_ASSERT(eventuallyVersion(3));
        CPPUNIT_ASSERT(eventually([this] { return group(inFolder()).starting == 0; }));
        CPPUNIT_ASSERT(state() == nameOf(GroupState::SERVING));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, group(inFolder()).counters.spawnsFailed);
    }

    void testRequestsWaitForTheNewVersionAfterTheLastOldInstanceDied() {
        get(inFolder()).reset();
        beginToDeploy();
        die(0);
        CPPUNIT_ASSERT(eventuallyCount(0));
        const AnswerPtr waiter = ask(inFolder());
        CPPUNIT_ASSERT(!waiter->here());
        factory_->release();
        CPPUNIT_ASSERT(waiter->session() != nullptr);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, version());
        CPPUNIT_ASSERT_EQUAL(2U, factory_->attempts());
    }

    void preload() {
        factory_->makeResult = [origin = std::make_shared<const Origin>(), this](const Options &) {
            SpawnResult result = factory_->instances().make();
            result.origin = origin;
            return result;
        };
    }
    /** A deployment fails, and then one of two instances dies. */
    void failAndLoseOne() {
        warmUp(2, inFolder());
        factory_->failuresToCome = 1;
        restart();
        CPPUNIT_ASSERT(eventuallyState(GroupState::DEPLOY_FAILED, inFolder()));
        pass(500ms);
        die(0);
        CPPUNIT_ASSERT(eventually([this] { return group(inFolder()).counters.died == 1; }));
    }

    void testAfterAFailedDeployAnInstanceThatLoadsTheFilesIsOneOfTheNewVersion() {
        failAndLoseOne();
        CPPUNIT_ASSERT(eventuallyVersion(3));
        CPPUNIT_ASSERT(log_->contains("event=deploy.again"));
        CPPUNIT_ASSERT(eventuallyServing(2, inFolder()));
        for (const ProcessSnapshot &process : instances(inFolder())) {
            CPPUNIT_ASSERT_EQUAL(std::uint64_t{3}, process.version);
        }
        CPPUNIT_ASSERT(state() == nameOf(GroupState::SERVING));
    }

    void testAfterAFailedDeployAForkIsOneOfTheOldVersion() {
        preload();
        failAndLoseOne();
        CPPUNIT_ASSERT(eventuallyServing(2, inFolder()));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, version());
        CPPUNIT_ASSERT(state() == nameOf(GroupState::DEPLOY_FAILED));
        CPPUNIT_ASSERT(!log_->contains("event=deploy.again"));
    }

    void testTheOldVersionReturnsIfItsLastInstanceDiesBetweenTwoAttempts() {
        preload();
        get(inFolder()).reset();
        failFor(2);
        restart();
        CPPUNIT_ASSERT(eventually([this] { return factory_->attempts() == 2 && group(inFolder()).starting == 0; }));
        die(0);
        CPPUNIT_ASSERT(eventuallyCount(0));
        const AnswerPtr waiter = ask(inFolder());
        pass(500ms);
        CPPUNIT_ASSERT(eventually([this] { return factory_->attempts() == 3 && group(inFolder()).starting == 0; }));
        pass(1000ms);
        CPPUNIT_ASSERT(waiter->session() && eventuallyVersion(2));
    }

    /** The last old instance dies while the new version boots, and so many starts fail. */
    AnswerPtr askBetweenVersions(unsigned failures) {
        get(inFolder()).reset();
        beginToDeploy();
        die(0);
        CPPUNIT_ASSERT(eventuallyCount(0));
        AnswerPtr waiter = ask(inFolder());
        factory_->failuresToCome = failures;
        factory_->release();
        CPPUNIT_ASSERT(eventually([this] { return group(inFolder()).counters.deploysFailed == 1; }));
        CPPUNIT_ASSERT(!waiter->here());
        return waiter;
    }

    void testTheOldVersionIsStartedAgainIfItsLastInstanceDiedAndTheNewVersionFails() {
        preload();
        const AnswerPtr waiter = askBetweenVersions(1);
        CPPUNIT_ASSERT(log_->contains("action=\"the old version is started again when a request needs it\""));
        pass(500ms);
        CPPUNIT_ASSERT(waiter->session());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, version());
        CPPUNIT_ASSERT(state() == nameOf(GroupState::DEPLOY_FAILED));
    }

    void testRequestsAreRefusedIfTheOldVersionDoesNotStartAgainEither() {
        const AnswerPtr waiter = askBetweenVersions(2);
        // Without a preloader.
        CPPUNIT_ASSERT(log_->contains("action=\"the new version is tried again when a request needs it\""));
        pass(500ms);
        CPPUNIT_ASSERT(waiter->failure().status == 500);
    }

    void testWithoutRollingRestartsRequestsWaitForTheNewVersion() {
        get(notRolling()).reset();
        beginToDeploy();
        const AnswerPtr waiter = ask(notRolling());
        CPPUNIT_ASSERT(!waiter->here());
        CPPUNIT_ASSERT_EQUAL(0U, count());
        factory_->release();
        CPPUNIT_ASSERT(waiter->session() != nullptr);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, version());
    }

    void testWithoutRollingRestartsOldInstancesFinishTheirRequests() {
        HeldPtr session = get(notRolling());
        const DummyInstance *old = instanceOf(session);
        restart();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, instancesThat(Process::State::DRAINING, inFolder()).size());
        CPPUNIT_ASSERT(instanceOf(get(notRolling())) != old);
        session.reset();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, instances(inFolder()).size());
    }

    void testRequestsOfEndingInstancesAreNotInTheQueue() {
        std::vector<HeldPtr> held = takeAll();
        restart();
        CPPUNIT_ASSERT(eventuallyVersion(2));
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, instancesThat(Process::State::DRAINING, busy()).size());
        for (int i = 0; i < 5; i++) {
            held.push_back(get(busy()));
        }
    }

    void testRequestsBeyondTheQueueAreRefusedBesideEndingInstances() {
        Options options = busy();
        options.rollingRestarts = false;
        const std::vector<HeldPtr> held = takeAll();
        factory_->hold();
        pool_->attach(options);
        restart();
        std::vector<AnswerPtr> queue;
        for (int i = 0; i < 10; i++) {
            queue.push_back(ask(options));
            CPPUNIT_ASSERT(!queue.back()->here());
        }
        CPPUNIT_ASSERT(ask(options)->failure().summary.find("queue is full") != std::string::npos);
        factory_->release();
        for (int i = 0; i < 5; i++) {
            CPPUNIT_ASSERT(queue[static_cast<std::size_t>(i)]->comes());
        }
    }

    void testAnApplicationClearedDuringADeployStartsAgainWithTheNewVersion() {
        get(inFolder()).reset();
        beginToDeploy();
        pool_->clear();
        factory_->release();
        const HeldPtr session = get(inFolder());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, version());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, instances(inFolder())[0].version);
    }

    void testThePoolsEndEndsADeploy() {
        get(inFolder()).reset();
        beginToDeploy();
        endPool();
        CPPUNIT_ASSERT_EQUAL(1U, factory_->spawned());
        CPPUNIT_ASSERT_EQUAL(0U, factory_->alive());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolDeployTest);

}  // namespace Passenger
