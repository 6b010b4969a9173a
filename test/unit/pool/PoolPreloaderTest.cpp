// Pool and Group: when an idle preloader ends, and when a warm instance forks the next preloader.

#include <cppunit/extensions/HelperMacros.h>

#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "base/Exceptions.h"
#include "io/Serve.h"
#include "spawning/Preloader.h"
#include "support/Eventually.h"
#include "support/FakeInstances.h"
#include "support/PoolContract.h"

namespace Passenger {

using namespace std::chrono_literals;

class PoolPreloaderTest : public PoolContract {
    CPPUNIT_TEST_SUITE(PoolPreloaderTest);
    CPPUNIT_TEST(testAPreloaderThatForkedNothingForLongIsToldToRestOnce);
    CPPUNIT_TEST(testASpawnPostponesTheRestOfThePreloader);
    CPPUNIT_TEST(testThePreloaderDoesNotRestDuringASpawn);
    CPPUNIT_TEST(testWithAnIdleTimeOfZeroThePreloaderNeverRests);
    CPPUNIT_TEST(testAnInstanceIsToldAfterHowManyRequestsItIsWarm);
    CPPUNIT_TEST(testAWarmInstanceIsToldToForkAPreloader);
    CPPUNIT_TEST(testAllInstancesAreReplacedAfterARefork);
    CPPUNIT_TEST(testAnInstanceOfTheNewPreloaderForksTheNextPreloader);
    CPPUNIT_TEST(testAnInstanceStillStartingFromTheOldPreloaderIsReplacedToo);
    CPPUNIT_TEST(testAReforkThatFailsChangesNothingAndIsTriedAgain);
    CPPUNIT_TEST(testOneReforkRunsAtATime);
    CPPUNIT_TEST(testARestartDropsARefork);
    CPPUNIT_TEST_SUITE_END();

    std::unique_ptr<FakeInstances> instances_;
    std::mutex mutex_;
    std::shared_ptr<const Origin> origin_ = std::make_shared<Origin>();
    bool held_ = false;
    bool failing_ = false;
    std::atomic<unsigned> begun_{0};

    // ----- Rest

    static Options preloaded() {
        Options options = app();
        options.minInstances = 1;
        options.maxPreloaderIdleTime = 300s;
        return options;
    }
    bool eventuallyRests(unsigned count) const {
        return eventually([&] { return factory_->rests() == count; });
    }

    // ----- Reforking

    Options warming() const {
        Options options = inFolder();
        options.spawnMethod = "smart";
        options.minInstances = 1;
        options.reforkAfter = 1000;
        return options;
    }
    void useFakeInstances() {
        instances_ = std::make_unique<FakeInstances>(*loop_, *factory_);
        factory_->makeResult = [this, make = factory_->makeResult](const Options &options) {
            SpawnResult result = make(options);
            const std::lock_guard<std::mutex> guard(mutex_);
            result.origin = origin_;
            return result;
        };
        factory_->refork = [this](const WarmInstance &instance) { return refork(instance); };
    }
    std::shared_ptr<const Origin> refork(const WarmInstance &instance) {
        begun_++;
        instance.send(Frame(FrameType::REFORK), {});
        eventually([this] {
            const std::lock_guard<std::mutex> guard(mutex_);
            return !held_;
        });
        const std::lock_guard<std::mutex> guard(mutex_);
        if (failing_) {
            throw SpawnException("a failure was ordered", "queue one\nline two\n");
        }
        return origin_ = std::make_shared<Origin>(Origin{instance.origin->plan, instance.origin->uid});
    }
    void hold(bool held) {
        const std::lock_guard<std::mutex> guard(mutex_);
        held_ = held;
    }
    void fail(bool failing) {
        const std::lock_guard<std::mutex> guard(mutex_);
        failing_ = failing;
    }
    void start(std::size_t count, const Options &options) {
        pool_->attach(options);
        for (std::size_t i = 0; i < count; i++) {
            toldToServe(i);
        }
        CPPUNIT_ASSERT(eventuallyServing(count, options));
    }
    Serve toldToServe(std::size_t index) {
        const Frame frame = instances_->frame(index);
        CPPUNIT_ASSERT_MESSAGE("It is told to serve", frame.type == FrameType::SERVE);
        return Serve::of(frame);
    }
    void sayWarm(std::size_t index) { instances_->send(index, Frame(FrameType::WARM)); }
    bool told(std::size_t index, FrameType type) { return instances_->frame(index).type == type; }
    AppCounters counters() const { return group(warming()).counters; }
    bool eventuallyReforked(std::uint64_t count) const {
        return eventually([&] { return counters().reforked == count; });
    }

public:
    void tearDown() override {
        hold(false);
        factory_->release();
        endPool();
        instances_.reset();
        PoolContract::tearDown();
    }

    void testAPreloaderThatForkedNothingForLongIsToldToRestOnce() {
        get(preloaded());
        advance(299s, 1s);
        CPPUNIT_ASSERT_EQUAL(0U, factory_->rests());
        advance(1s, 1s);
        CPPUNIT_ASSERT(eventuallyRests(1));
        advance(1000s, 10s);
        CPPUNIT_ASSERT_EQUAL(1U, factory_->rests());
        CPPUNIT_ASSERT_EQUAL(1U, count());
    }

    void testASpawnPostponesTheRestOfThePreloader() {
        get(preloaded());
        advance(200s, 10s);
        warmUp(2, preloaded());
        advance(290s, 10s);
        CPPUNIT_ASSERT_EQUAL(0U, factory_->rests());
        advance(10s, 10s);
        CPPUNIT_ASSERT(eventuallyRests(1));
    }

    void testThePreloaderDoesNotRestDuringASpawn() {
        const HeldPtr busy = get(preloaded());
        factory_->hold();
        const AnswerPtr other = ask(preloaded());
        factory_->waitUntilHeld(1);
        advance(1000s, 10s);
        factory_->release();
        CPPUNIT_ASSERT(other->comes());
        CPPUNIT_ASSERT_EQUAL(0U, factory_->rests());
    }

    void testWithAnIdleTimeOfZeroThePreloaderNeverRests() {
        Options options = preloaded();
        options.maxPreloaderIdleTime = 0s;
        get(options);
        advance(10000s, 100s);
        CPPUNIT_ASSERT_EQUAL(0U, factory_->rests());
    }

    void testAnInstanceIsToldAfterHowManyRequestsItIsWarm() {
        useFakeInstances();
        pool_->attach(warming());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1000}, toldToServe(0).reforkAfter);
        CPPUNIT_ASSERT(eventuallyServing(1, warming()));
        {
            // Nothing to fork from: it was started directly.
            const std::lock_guard<std::mutex> guard(mutex_);
            origin_.reset();
        }
        pool_->clear();
        CPPUNIT_ASSERT(told(0, FrameType::FINISH));
        pool_->attach(warming());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, toldToServe(1).reforkAfter);
    }

    void testAWarmInstanceIsToldToForkAPreloader() {
        useFakeInstances();
        hold(true);
        start(1, warming());
        sayWarm(0);
        CPPUNIT_ASSERT(told(0, FrameType::REFORK));
        CPPUNIT_ASSERT_MESSAGE("It serves meanwhile", instances_->silent(0));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, instances_->count());
    }

    void testAllInstancesAreReplacedAfterARefork() {
        useFakeInstances();
        Options two = warming();
        two.minInstances = 2;
        start(2, two);
        sayWarm(1);
        CPPUNIT_ASSERT(told(1, FrameType::REFORK));
        toldToServe(2);
        // Both were started at once, so either may be the first.
        CPPUNIT_ASSERT(eventually([this] { return !instances_->silent(0) || !instances_->silent(1); }));
        const std::size_t first = instances_->silent(0) ? 1 : 0;
        CPPUNIT_ASSERT(told(first, FrameType::FINISH));
        instances_->kill(first);
        toldToServe(3);
        CPPUNIT_ASSERT(told(1 - first, FrameType::FINISH));
        instances_->kill(1 - first);
        CPPUNIT_ASSERT(eventually([this] { return counters().replaced == 2 && count() == 2; }));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, counters().reforked);
        CPPUNIT_ASSERT_EQUAL(std::size_t{4}, instances_->count());
    }

    void testAnInstanceOfTheNewPreloaderForksTheNextPreloader() {
        useFakeInstances();
        start(1, warming());
        for (std::size_t generation = 0; generation < 3; generation++) {
            sayWarm(generation);
            CPPUNIT_ASSERT(told(generation, FrameType::REFORK));
            CPPUNIT_ASSERT_EQUAL(std::uint64_t{1000}, toldToServe(generation + 1).reforkAfter);
            CPPUNIT_ASSERT(told(generation, FrameType::FINISH));
            instances_->kill(generation);
            CPPUNIT_ASSERT(eventuallyCount(1));
        }
        CPPUNIT_ASSERT(eventuallyReforked(3));
    }

    void testAnInstanceStillStartingFromTheOldPreloaderIsReplacedToo() {
        useFakeInstances();
        hold(true);
        Options two = warming();
        start(1, two);
        sayWarm(0);
        CPPUNIT_ASSERT(told(0, FrameType::REFORK));
        // Forked from the old preloader, and not yet serving.
        const std::shared_ptr<const Origin> old = origin_;
        factory_->hold();
        factory_->makeResult = [old, make = factory_->makeResult, oneByOne = std::make_shared<std::mutex>(),
                                first = std::make_shared<bool>(true)](const Options &options) {
            const std::lock_guard<std::mutex> guard(*oneByOne);
            SpawnResult result = make(options);
            result.origin = std::exchange(*first, false) ? old : result.origin;
            return result;
        };
        two.minInstances = 2;
        pool_->attach(two);
        instances_->kill(0);
        factory_->waitUntilHeld(1);
        hold(false);
        CPPUNIT_ASSERT(eventuallyReforked(1));
        factory_->release();
        toldToServe(1);
        toldToServe(2);
        CPPUNIT_ASSERT(told(1, FrameType::FINISH));
    }

    void testAReforkThatFailsChangesNothingAndIsTriedAgain() {
        useFakeInstances();
        fail(true);
        start(1, warming());
        sayWarm(0);
        CPPUNIT_ASSERT(told(0, FrameType::REFORK));
        CPPUNIT_ASSERT(eventually([this] { return counters().reforksFailed == 1; }));
        CPPUNIT_ASSERT(log_->contains("event=refork.failed"));
        CPPUNIT_ASSERT(instances_->silent(0));
        fail(false);
        sayWarm(0);
        CPPUNIT_ASSERT(told(0, FrameType::REFORK));
        CPPUNIT_ASSERT(eventuallyReforked(1));
    }

    void testOneReforkRunsAtATime() {
        useFakeInstances();
        hold(true);
        start(1, warming());
        sayWarm(0);
        CPPUNIT_ASSERT(told(0, FrameType::REFORK));
        sayWarm(0);
        loop_->runSync([] {});
        hold(false);
        CPPUNIT_ASSERT(eventuallyReforked(1));
        toldToServe(1);
        // Due for replacement by now: it is too late for it.
        sayWarm(0);
        loop_->runSync([] {});
        CPPUNIT_ASSERT_EQUAL(1U, begun_.load());
    }

    void testARestartDropsARefork() {
        useFakeInstances();
        hold(true);
        start(1, warming());
        sayWarm(0);
        CPPUNIT_ASSERT(told(0, FrameType::REFORK));
        restart();
        toldToServe(1);
        CPPUNIT_ASSERT(told(0, FrameType::FINISH));
        instances_->kill(0);
        CPPUNIT_ASSERT(eventuallyServing(1, warming()));
        hold(false);
        // The new version's first instance can make one.
        CPPUNIT_ASSERT(eventually([this] {
            if (begun_.load() == 1) {
                sayWarm(1);
                // Not so often that it is taken for one that floods the agent.
                std::this_thread::sleep_for(20ms);
            }
            return counters().reforked == 1;
        }));
        CPPUNIT_ASSERT(told(1, FrameType::REFORK));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolPreloaderTest);

}  // namespace Passenger
