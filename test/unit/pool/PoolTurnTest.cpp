// Pool: new versions and successors wait for their turn while many instances load.

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "spawning/Preloader.h"
#include "support/Eventually.h"
#include "support/PoolContract.h"

namespace Passenger {

using namespace std::chrono_literals;

class PoolTurnTest : public PoolContract {
    CPPUNIT_TEST_SUITE(PoolTurnTest);
    CPPUNIT_TEST(testAsManyNewVersionsLoadAtOnceAsTwiceTheCores);
    CPPUNIT_TEST(testOnFewCoresFourLoadAtOnce);
    CPPUNIT_TEST(testNewVersionsComeInTheOrderOfTheirRestarts);
    CPPUNIT_TEST(testAFailedLoadIsTheNextOnesTurn);
    CPPUNIT_TEST(testFirstInstancesWaitForNoDeployment);
    CPPUNIT_TEST(testWithoutAPreloaderSuccessorsWaitToo);
    CPPUNIT_TEST(testSuccessorsOneAfterTheOtherOvertakeNoVersion);
    CPPUNIT_TEST(testForksAreNoLoads);
    CPPUNIT_TEST(testWhileItsNewVersionWaitsAPreloadedApplicationGrows);
    CPPUNIT_TEST(testWithoutAPreloaderRequestsThatWaitEndTheWaitForLoads);
    CPPUNIT_TEST(testTheNewVersionHasTheInstancesThatTheOldOneGotWhileItWaited);
    CPPUNIT_TEST(testAFailedForkOfTheOldVersionEndsNoDeploymentThatWaits);
    CPPUNIT_TEST(testLoadsThatHangHoldNoVersionBackForEver);
    CPPUNIT_TEST(testInAFullPoolAVersionThatWaitsForLoadsHoldsNoForkBack);
    CPPUNIT_TEST(testALongWaitForLoadsIsLogged);
    CPPUNIT_TEST_SUITE_END();

    static constexpr unsigned APPS = 10;
    static constexpr unsigned AT_ONCE = 6;

    std::atomic<bool> othersWait_{false};
    /** The next start of the application that does not wait fails, and the cause may pass. */
    std::atomic<bool> failsOnce_{false};

    static Options numbered(unsigned number) {
        Options options = app("/srv/" + std::to_string(number));
        options.minInstances = 1;
        return options;
    }
    /** Instances are forks of a preloader from now on. */
    void preload() {
        factory_->makeResult = [origin = std::make_shared<const Origin>(), this](const Options &) {
            SpawnResult result = factory_->instances().make();
            result.origin = origin;
            return result;
        };
    }
    /** Each of the applications has an instance, and the pool has room. Later starts are held. */
    void serve() {
        cpu_.processors = AT_ONCE / 2;
        setMax(4 * APPS);
        for (unsigned i = 0; i < APPS; i++) {
            get(numbered(i)).reset();
        }
        factory_->hold();
    }
    void restart(unsigned number) { CPPUNIT_ASSERT(pool_->restart(numbered(number).groupName())); }
    void restartAll() {
        for (unsigned i = 0; i < APPS; i++) {
            restart(i);
        }
    }
    /** Starts since the first instances. */
    unsigned starts() const { return factory_->attempts() - APPS; }
    unsigned updated() const {
        unsigned sum = 0;
        for (unsigned i = 0; i < APPS; i++) {
            sum += group(numbered(i)).version == 2 ? 1 : 0;
        }
        return sum;
    }
    unsigned waiting() const {
        unsigned sum = 0;
        for (unsigned i = 0; i < APPS; i++) {
            sum += group(numbered(i)).state == nameOf(GroupState::DEPLOY_WAITS) ? 1 : 0;
        }
        return sum;
    }
    bool eventuallyStarts(unsigned number) const {
        return eventually([&] { return starts() == number; });
    }

public:
    void tearDown() override {
        othersWait_ = false;
        factory_->release();
        PoolContract::tearDown();
    }

    void testAsManyNewVersionsLoadAtOnceAsTwiceTheCores() {
        serve();
        restartAll();
        CPPUNIT_ASSERT_EQUAL(APPS - AT_ONCE, waiting());
        factory_->waitUntilHeld(AT_ONCE);
        pass(1s);
        CPPUNIT_ASSERT_EQUAL(AT_ONCE, starts());
        for (unsigned done = 1; done <= APPS; done++) {
            factory_->letThrough();
            CPPUNIT_ASSERT(eventually([&] { return updated() == done; }));
            CPPUNIT_ASSERT(eventuallyStarts(std::min(APPS, AT_ONCE + done)));
        }
        CPPUNIT_ASSERT_EQUAL(0U, waiting());
        CPPUNIT_ASSERT_EQUAL(0U, log_->count("event=deploy.failed"));
    }

    void testOnFewCoresFourLoadAtOnce() {
        serve();
        cpu_.processors = 1;
        restartAll();
        CPPUNIT_ASSERT(eventuallyStarts(4));
        CPPUNIT_ASSERT_EQUAL(APPS - 4, waiting());
    }

    void testNewVersionsComeInTheOrderOfTheirRestarts() {
        serve();
        for (unsigned i = APPS; i > 0; i--) {
            restart(i - 1);
            clock_.advance(1ms);
        }
        CPPUNIT_ASSERT(group(numbered(APPS - AT_ONCE)).state == nameOf(GroupState::DEPLOYING));
        factory_->waitUntilHeld(AT_ONCE);
        factory_->letThrough();
        CPPUNIT_ASSERT(eventuallyStarts(AT_ONCE + 1));
        CPPUNIT_ASSERT(group(numbered(APPS - AT_ONCE - 1)).state == nameOf(GroupState::DEPLOYING));
        CPPUNIT_ASSERT_EQUAL(APPS - AT_ONCE - 1, waiting());
    }

    void testAFailedLoadIsTheNextOnesTurn() {
        serve();
        restartAll();
        factory_->waitUntilHeld(AT_ONCE);
        factory_->failuresToCome = 1;
        factory_->letThrough();
        CPPUNIT_ASSERT(eventually([&] { return log_->count("event=deploy.failed") == 1; }));
        CPPUNIT_ASSERT(eventuallyStarts(AT_ONCE + 1));
    }

    void testFirstInstancesWaitForNoDeployment() {
        serve();
        restartAll();
        factory_->waitUntilHeld(AT_ONCE);
        const AnswerPtr answer = ask(app());
        factory_->waitUntilHeld(AT_ONCE + 1);
        CPPUNIT_ASSERT(group().state == nameOf(GroupState::STARTING));
        CPPUNIT_ASSERT_EQUAL_MESSAGE("But it counts", APPS - AT_ONCE, waiting());
        factory_->letThrough();
        CPPUNIT_ASSERT(eventually([&] { return updated() + count() > APPS; }));
        factory_->release();
        CPPUNIT_ASSERT(answer->comes());
    }

    static Options wearing(unsigned number) {
        Options options = numbered(number);
        options.maxRequests = 2;
        return options;
    }

    void testWithoutAPreloaderSuccessorsWaitToo() {
        get(wearing(APPS)).reset();
        serve();
        restartAll();
        get(wearing(APPS)).reset();
        step();
        CPPUNIT_ASSERT(!instances(wearing(APPS))[0].replacementReason.empty());
        CPPUNIT_ASSERT_EQUAL(0U, group(wearing(APPS)).starting);
        factory_->release();
        CPPUNIT_ASSERT(eventually([&] { return group(wearing(APPS)).counters.replaced == 1; }));
    }

    /** The application's instances wear out together. */
    void testSuccessorsOneAfterTheOtherOvertakeNoVersion() {
        const Options worn = wearing(APPS);
        holdAllBut(worn);
        warmUp(2, worn);
        serve();
        othersWait_ = true;
        for (HeldPtr requests[] = {get(worn), get(worn)}; HeldPtr & request : requests) {
            request.reset();
        }
        step();
        factory_->waitUntilHeld(1);
        for (unsigned i = 0; i < AT_ONCE; i++) {
            restart(i);
        }
        CPPUNIT_ASSERT_EQUAL(1U, waiting());
        factory_->letThrough();
        CPPUNIT_ASSERT(eventually([&] { return waiting() == 0; }));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, std::uint64_t{group(worn).counters.replaced});
        CPPUNIT_ASSERT_EQUAL(0U, group(worn).starting);
    }

    void testForksAreNoLoads() {
        preload();
        get(wearing(APPS)).reset();
        serve();
        restartAll();
        get(wearing(APPS)).reset();
        step();
        CPPUNIT_ASSERT_EQUAL(1U, group(wearing(APPS)).starting);
        factory_->waitUntilHeld(AT_ONCE + 1);
        CPPUNIT_ASSERT_EQUAL(APPS - AT_ONCE, waiting());
    }

    /** The last application has an instance and two requests, and its new version waits. */
    std::vector<AnswerPtr> burstWhileItWaits() {
        serve();
        restartAll();
        factory_->waitUntilHeld(AT_ONCE);
        std::vector<AnswerPtr> answers{ask(numbered(APPS - 1)), ask(numbered(APPS - 1))};
        CPPUNIT_ASSERT(group(numbered(APPS - 1)).state == nameOf(GroupState::DEPLOY_WAITS));
        advance(5s, 100ms);
        return answers;
    }

    void testWhileItsNewVersionWaitsAPreloadedApplicationGrows() {
        preload();
        const std::vector<AnswerPtr> answers = burstWhileItWaits();
        CPPUNIT_ASSERT(group(numbered(APPS - 1)).state == nameOf(GroupState::DEPLOY_WAITS));
        CPPUNIT_ASSERT_EQUAL(1U, group(numbered(APPS - 1)).starting);
        factory_->release();
        for (const AnswerPtr &answer : answers) {
            CPPUNIT_ASSERT(answer->comes());
        }
        CPPUNIT_ASSERT(eventually([&] { return updated() == APPS; }));
    }

    /** While othersWait_, the starts of all applications but this one wait. */
    void holdAllBut(const Options &one) {
        factory_->beforeSpawn = [this, name = one.groupName()](const Options &options) {
            const bool isOther = options.groupName() != name;
            while (othersWait_ && isOther) {
                std::this_thread::sleep_for(1ms);
            }
            if (!isOther && failsOnce_.exchange(false)) {
                Report report;
                report.mayPass = true;
                throw SpawnException(report);
            }
        };
    }

    /** From now on the starts of all applications but the last one wait. */
    void serveWhileOthersLoad() {
        preload();
        holdAllBut(numbered(APPS - 1));
        serve();
        factory_->release();
        othersWait_ = true;
    }

    void testTheNewVersionHasTheInstancesThatTheOldOneGotWhileItWaited() {
        const Options last = numbered(APPS - 1);
        serveWhileOthersLoad();
        restartAll();
        {
            const std::vector<AnswerPtr> answers{ask(last), ask(last)};
            advance(5s, 100ms);
            CPPUNIT_ASSERT(eventuallyServing(2, last));
            CPPUNIT_ASSERT(answers[0]->comes() && answers[1]->comes());
        }
        CPPUNIT_ASSERT(group(last).state == nameOf(GroupState::DEPLOY_WAITS));
        othersWait_ = false;
        CPPUNIT_ASSERT(eventually([&] { return updated() == APPS; }));
        CPPUNIT_ASSERT(eventuallyServing(2, last));
    }

    void testAFailedForkOfTheOldVersionEndsNoDeploymentThatWaits() {
        const Options last = numbered(APPS - 1);
        const auto failed = [&] { return group(last).counters.spawnsFailed; };
        serveWhileOthersLoad();
        failsOnce_ = true;
        restart(APPS - 1);
        CPPUNIT_ASSERT(eventually([&] { return failed() == 1; }));
        for (unsigned i = 0; i < AT_ONCE; i++) {
            restart(i);
        }
        // The first attempt comes again.
        advance(5s, 100ms);
        CPPUNIT_ASSERT(group(last).state == nameOf(GroupState::DEPLOY_WAITS));
        factory_->failuresToCome = 1;
        const std::vector<AnswerPtr> answers{ask(last), ask(last)};
        advance(5s, 100ms);
        CPPUNIT_ASSERT(eventually([&] { return failed() == 2; }));
        CPPUNIT_ASSERT_EQUAL(0U, log_->count("event=deploy.failed"));
        othersWait_ = false;
        CPPUNIT_ASSERT(eventually([&] {
            pass(1s);
            return group(last).version == 2;
        }));
        CPPUNIT_ASSERT(answers[0]->comes() && answers[1]->comes());
    }

    /** As while a database is down. */
    void testLoadsThatHangHoldNoVersionBackForEver() {
        serve();
        restartAll();
        factory_->waitUntilHeld(AT_ONCE);
        for (unsigned i = 0; i < 2; i++) {
            advance(15s, 1s);
            CPPUNIT_ASSERT_EQUAL(AT_ONCE + i, starts());
            advance(6s, 1s);
            CPPUNIT_ASSERT(eventuallyStarts(AT_ONCE + i + 1));
        }
    }

    void testInAFullPoolAVersionThatWaitsForLoadsHoldsNoForkBack() {
        preload();
        get(wearing(APPS)).reset();
        serve();
        std::vector<AnswerPtr> answers;
        for (unsigned i = 1; i <= AT_ONCE; i++) {
            answers.push_back(ask(numbered(APPS + i)));
        }
        factory_->waitUntilHeld(AT_ONCE);
        setMax(size());
        restart(0);
        get(wearing(APPS)).reset();
        step();
        CPPUNIT_ASSERT(group(numbered(0)).state == nameOf(GroupState::DEPLOY_WAITS));
        CPPUNIT_ASSERT_EQUAL(1U, group(wearing(APPS)).starting);
    }

    void testWithoutAPreloaderRequestsThatWaitEndTheWaitForLoads() {
        const std::vector<AnswerPtr> answers = burstWhileItWaits();
        CPPUNIT_ASSERT(group(numbered(APPS - 1)).state == nameOf(GroupState::DEPLOYING));
        CPPUNIT_ASSERT_EQUAL(1U, group(numbered(APPS - 1)).starting);
        factory_->release();
        for (const AnswerPtr &answer : answers) {
            CPPUNIT_ASSERT(answer->comes());
        }
    }

    void testALongWaitForLoadsIsLogged() {
        serve();
        restartAll();
        advance(70s, 1s);
        CPPUNIT_ASSERT(log_->contains("event=deploy.waits app=\"" + numbered(APPS - 1).groupName()));
        CPPUNIT_ASSERT(log_->contains("reason=\"as many instances load"));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolTurnTest);

}  // namespace Passenger
