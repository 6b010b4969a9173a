// Pool: a new version takes over with as many instances as the requests need.

#include <cppunit/extensions/HelperMacros.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <memory>
#include <utility>
#include <vector>

#include "io/FrameSocket.h"
#include "io/SocketPair.h"
#include "spawning/Preloader.h"
#include "spawning/SpawnReport.h"
#include "support/Eventually.h"
#include "support/PoolContract.h"

namespace Passenger {

class PoolCompanionTest : public PoolContract {
    CPPUNIT_TEST_SUITE(PoolCompanionTest);
    CPPUNIT_TEST(testABusyVersionEndsWhenAsManyInstancesOfTheNewOneAreReady);
    CPPUNIT_TEST(testAnIdleVersionEndsWhenOneInstanceOfTheNewOneIsReady);
    CPPUNIT_TEST(testTheInstancesThatNoRequestNeedsComeAfterTheTakeover);
    CPPUNIT_TEST(testInstancesWaitForTheirVersionToTakeOver);
    CPPUNIT_TEST(testAPauseHoldsForInstancesThatWaitForTheTakeover);
    CPPUNIT_TEST(testTheEndOfAPauseIsForInstancesThatWaitForTheTakeover);
    CPPUNIT_TEST(testInAFullPoolTheFirstInstanceTakesOverAlone);
    CPPUNIT_TEST(testAtTheLimitOfTheApplicationTheFirstInstanceTakesOverAlone);
    CPPUNIT_TEST(testForksOfAPreloaderMayBeAboveTheLimitsMeanwhile);
    CPPUNIT_TEST(testForksAboveTheLimitEndNoInstanceOfAnotherApplication);
    CPPUNIT_TEST(testASecondAttemptAtTheFirstInstanceKeepsTheOthers);
    CPPUNIT_TEST(testANewVersionHasNoMoreInstancesThanALoweredLimit);
    CPPUNIT_TEST(testTheMemoryOfCompanionsCounts);
    CPPUNIT_TEST(testTheVersionTakesOverWithoutACompanionThatDoesNotStart);
    CPPUNIT_TEST(testAnotherRestartEndsTheCompanions);
    CPPUNIT_TEST(testAClearedApplicationHasNoCompanions);
    CPPUNIT_TEST(testThePoolsEndEndsTheCompanions);
    CPPUNIT_TEST_SUITE_END();

    static constexpr unsigned INSTANCES = 3;

    /** Puts as many requests in flight as there are instances. @param max the pool's limit */
    std::vector<HeldPtr> busy(unsigned max = 2 * INSTANCES) {
        setMax(max);
        std::vector<HeldPtr> requests;
        for (unsigned i = 0; i < INSTANCES; i++) {
            requests.push_back(get(inFolder()));
        }
        CPPUNIT_ASSERT(eventuallyServing(INSTANCES, inFolder()));
        return requests;
    }
    /** Restarts, and lets so many instances of the new version be ready, but no further one. */
    void deploy(unsigned ready) {
        factory_->hold();
        restart();
        const unsigned before = factory_->spawned();
        for (unsigned i = 0; i < ready; i++) {
            factory_->waitUntilHeld(1);
            factory_->letThrough();
            CPPUNIT_ASSERT(eventually([&] { return factory_->spawned() == before + i + 1; }));
        }
    }
    /** Instances are forks of a preloader from now on. */
    void preload() {
        factory_->makeResult = [origin = std::make_shared<const Origin>(), make = factory_->makeResult,
                                this](const Options &options) {
            SpawnResult result = make ? make(options) : factory_->instances().make();
            result.origin = origin;
            return result;
        };
    }
    std::uint64_t version() const { return group(inFolder()).version; }
    bool eventuallyVersion(std::uint64_t version) const {
        return eventually([&] { return this->version() == version; });
    }
    std::size_t number(Process::State state) const { return instancesThat(state, inFolder()).size(); }
    bool eventuallyNumber(std::size_t number, Process::State state) const {
        return eventually([&] { return this->number(state) == number; });
    }

public:
    void testABusyVersionEndsWhenAsManyInstancesOfTheNewOneAreReady() {
        const auto requests = busy();
        deploy(INSTANCES - 1);
        factory_->waitUntilHeld(1);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, version());
        CPPUNIT_ASSERT_EQUAL(std::size_t{INSTANCES}, number(Process::State::SERVING));
        factory_->letThrough();
        CPPUNIT_ASSERT(eventuallyVersion(2));
        CPPUNIT_ASSERT_EQUAL(std::size_t{INSTANCES}, number(Process::State::SERVING));
        CPPUNIT_ASSERT_EQUAL(std::size_t{INSTANCES}, number(Process::State::DRAINING));
        CPPUNIT_ASSERT_EQUAL(2 * INSTANCES, factory_->spawned());
    }

    void testAnIdleVersionEndsWhenOneInstanceOfTheNewOneIsReady() {
        busy().clear();
        deploy(1);
        CPPUNIT_ASSERT(eventuallyVersion(2));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, number(Process::State::SERVING));
        factory_->release();
        CPPUNIT_ASSERT(eventuallyServing(INSTANCES, inFolder()));
    }

    void testTheInstancesThatNoRequestNeedsComeAfterTheTakeover() {
        auto requests = busy();
        requests.pop_back();
        deploy(INSTANCES - 1);
        CPPUNIT_ASSERT(eventuallyVersion(2));
        CPPUNIT_ASSERT_EQUAL(std::size_t{INSTANCES - 1}, number(Process::State::SERVING));
        factory_->release();
        CPPUNIT_ASSERT(eventuallyServing(INSTANCES, inFolder()));
    }

    void testInstancesWaitForTheirVersionToTakeOver() {
        auto requests = busy();
        deploy(2);
        CPPUNIT_ASSERT(eventuallyNumber(1, Process::State::STANDBY));
        const AnswerPtr waiter = ask(inFolder());
        CPPUNIT_ASSERT(!waiter->here());
        const DummyInstance *old = instanceOf(requests.back());
        requests.pop_back();
        CPPUNIT_ASSERT_EQUAL(old, instanceOf(waiter->session()));
        factory_->release();
        CPPUNIT_ASSERT(eventuallyVersion(2));
    }

    void testAPauseHoldsForInstancesThatWaitForTheTakeover() {
        const auto requests = busy(3 * INSTANCES);
        deploy(2);
        CPPUNIT_ASSERT(eventuallyNumber(1, Process::State::STANDBY));
        CPPUNIT_ASSERT(pool_->pause(group(inFolder()).name, std::chrono::hours(1)));
        factory_->release();
        CPPUNIT_ASSERT(eventuallyVersion(2));
        const AnswerPtr waiter = ask(inFolder());
        // Meanwhile an instance that is not paused would take the request.
        get(app("/srv/other"));
        CPPUNIT_ASSERT(!waiter->here());
        CPPUNIT_ASSERT(pool_->resume(group(inFolder()).name));
        CPPUNIT_ASSERT(waiter->session());
    }

    void testTheEndOfAPauseIsForInstancesThatWaitForTheTakeover() {
        const auto requests = busy();
        CPPUNIT_ASSERT(pool_->pause(group(inFolder()).name, std::chrono::hours(1)));
        deploy(2);
        CPPUNIT_ASSERT(eventuallyNumber(1, Process::State::STANDBY));
        CPPUNIT_ASSERT(pool_->resume(group(inFolder()).name));
        factory_->release();
        CPPUNIT_ASSERT(eventuallyVersion(2));
        std::vector<HeldPtr> all;
        for (unsigned i = 0; i < INSTANCES; i++) {
            all.push_back(get(inFolder()));
        }
        CPPUNIT_ASSERT_EQUAL(2 * INSTANCES, factory_->spawned());
    }

    void testInAFullPoolTheFirstInstanceTakesOverAlone() {
        const auto requests = busy(INSTANCES);
        deploy(1);
        CPPUNIT_ASSERT(eventuallyVersion(2));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, number(Process::State::SERVING));
    }

    void testAtTheLimitOfTheApplicationTheFirstInstanceTakesOverAlone() {
        Options limited = inFolder();
        limited.maxInstances = INSTANCES;
        setMax(2 * INSTANCES);
        std::vector<HeldPtr> requests;
        for (unsigned i = 0; i < INSTANCES; i++) {
            requests.push_back(get(limited));
        }
        deploy(1);
        CPPUNIT_ASSERT(eventuallyVersion(2));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, number(Process::State::SERVING));
    }

    void testForksOfAPreloaderMayBeAboveTheLimitsMeanwhile() {
        preload();
        auto requests = busy(INSTANCES);
        restart();
        CPPUNIT_ASSERT(eventuallyVersion(2));
        CPPUNIT_ASSERT_EQUAL(std::size_t{INSTANCES}, number(Process::State::SERVING));
        requests.clear();
        CPPUNIT_ASSERT(eventuallyCount(INSTANCES));
    }

    void testForksAboveTheLimitEndNoInstanceOfAnotherApplication() {
        const Options other = app("/srv/other");
        warmUp(1, other);
        preload();
        const auto requests = busy(INSTANCES + 1);
        deploy(2);
        CPPUNIT_ASSERT(eventuallyNumber(1, Process::State::STANDBY));
        upkeep();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, instancesThat(Process::State::SERVING, other).size());
        factory_->release();
        CPPUNIT_ASSERT(eventuallyVersion(2));
    }

    void testASecondAttemptAtTheFirstInstanceKeepsTheOthers() {
        preload();
        const auto requests = busy();
        std::atomic<bool> killed{false};
        factory_->makeResult = [&, make = factory_->makeResult](const Options &options) {
            SpawnResult result = make(options);
            if (!killed.exchange(true)) {
                // A signal ends the process before it serves.
                result.control = FrameSocket(std::move(makeStreamPair().first));
                result.report = std::make_shared<SpawnReport>();
                result.report->waitStatus = SIGKILL;
            }
            return result;
        };
        restart();
        CPPUNIT_ASSERT(eventuallyVersion(2));
        CPPUNIT_ASSERT(log_->contains("event=spawn.killed"));
        CPPUNIT_ASSERT_EQUAL(std::size_t{INSTANCES}, number(Process::State::SERVING));
    }

    void testANewVersionHasNoMoreInstancesThanALoweredLimit() {
        preload();
        const auto requests = busy();
        PoolSettings settings = PoolContract::settings();
        settings.maxSize = 2 * INSTANCES;
        settings.maxInstancesPerApp = INSTANCES - 1;
        pool_->configure(settings);
        restart();
        CPPUNIT_ASSERT(eventuallyVersion(2));
        CPPUNIT_ASSERT_EQUAL(std::size_t{INSTANCES - 1}, number(Process::State::SERVING));
    }

    /** The idle instances of another application end for it, as the budget says. */
    void testTheMemoryOfCompanionsCounts() {
        constexpr std::uint64_t MB = 1024 * 1024;
        warmUp(2);
        const auto requests = busy(4 * INSTANCES);
        deploy(2);
        CPPUNIT_ASSERT(eventuallyNumber(1, Process::State::STANDBY));
        // The third one counts as soon as it starts.
        factory_->waitUntilHeld(1);
        PoolSettings settings = PoolContract::settings();
        settings.maxSize = 4 * INSTANCES;
        settings.memoryBudget = 750;
        pool_->configure(settings);
        for (const Options &each : {app(), inFolder()}) {
            for (const ProcessSnapshot &process : instances(each)) {
                setMemory(process.id, 100 * MB);
            }
        }
        clock_.advance(std::chrono::seconds(5));
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, instancesThat(Process::State::SERVING).size());
        pool_->checkMemory();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, instancesThat(Process::State::SERVING).size());
        factory_->release();
    }

    void testTheVersionTakesOverWithoutACompanionThatDoesNotStart() {
        const auto requests = busy();
        deploy(1);
        factory_->waitUntilHeld(1);
        factory_->failuresToCome = 1;
        factory_->letThrough();
        CPPUNIT_ASSERT(eventuallyVersion(2));
        CPPUNIT_ASSERT(log_->contains("event=deploy.alone"));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, group(inFolder()).counters.deploysFailed);
        factory_->release();
        CPPUNIT_ASSERT(eventuallyServing(INSTANCES, inFolder()));
    }

    void testAnotherRestartEndsTheCompanions() {
        auto requests = busy();
        deploy(2);
        CPPUNIT_ASSERT(eventuallyNumber(1, Process::State::STANDBY));
        restart();
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, number(Process::State::STANDBY));
        factory_->release();
        CPPUNIT_ASSERT(eventuallyVersion(3));
        CPPUNIT_ASSERT(!log_->contains("event=deploy.alone"));
        CPPUNIT_ASSERT_EQUAL(std::size_t{INSTANCES}, number(Process::State::SERVING));
        requests.clear();
        CPPUNIT_ASSERT(eventuallyCount(INSTANCES));
        for (const ProcessSnapshot &process : instances(inFolder())) {
            CPPUNIT_ASSERT_EQUAL(std::uint64_t{3}, process.version);
        }
    }

    void testAClearedApplicationHasNoCompanions() {
        busy().clear();
        auto requests = busy();
        deploy(2);
        CPPUNIT_ASSERT(eventuallyNumber(1, Process::State::STANDBY));
        pool_->clear();
        requests.clear();
        factory_->release();
        CPPUNIT_ASSERT(eventually([this] { return size() == 0; }));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, group(inFolder()).counters.spawnsFailed);
        CPPUNIT_ASSERT(!log_->contains("event=deploy.alone"));
    }

    void testThePoolsEndEndsTheCompanions() {
        auto requests = busy();
        deploy(2);
        CPPUNIT_ASSERT(eventuallyNumber(1, Process::State::STANDBY));
        requests.clear();
        endPool();
        CPPUNIT_ASSERT_EQUAL(0U, factory_->alive());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolCompanionTest);

}  // namespace Passenger
