#include "pool/PreloaderCare.h"

#include <cppunit/extensions/HelperMacros.h>

#include <vector>

#include "base/Exceptions.h"
#include "spawning/Preloader.h"
#include "support/GroupParts.h"
#include "support/LeftProcess.h"

namespace Passenger {

using std::chrono::seconds;

class PreloaderCareTest : public GroupParts {
    CPPUNIT_TEST_SUITE(PreloaderCareTest);
    CPPUNIT_TEST(testThePreloaderRestsOnceAfterEachSpawn);
    CPPUNIT_TEST(testThePreloaderDoesNotRestDuringASpawnOrADeployment);
    CPPUNIT_TEST(testThePreloaderForksWithTheOptionsOfItsStartOnly);
    CPPUNIT_TEST(testAPreloaderThatHasEndedHasNothingLoaded);
    CPPUNIT_TEST(testAfterAReforkTheEndOfTheOldPreloaderChangesNothing);
    CPPUNIT_TEST(testAReforkedPreloaderThatHasEndedHasNothingLoaded);
    CPPUNIT_TEST(testAForkThatFoundNoPreloaderLeavesNothingLoaded);
    CPPUNIT_TEST(testAfterAReforkTheInstancesOfTheOldPreloaderAreReplaced);
    CPPUNIT_TEST(testAReforkWithoutOldInstancesStillChangesTheDate);
    CPPUNIT_TEST(testAReforkThatFailsIsCountedAndReplacesNothing);
    CPPUNIT_TEST(testOnlyAServingForkOfTheCurrentVersionReforks);
    CPPUNIT_TEST(testAfterAFailedDeploymentNoInstanceReforks);
    CPPUNIT_TEST(testARestartDropsARefork);
    CPPUNIT_TEST(testAReforkThatFailsSinceADeploymentHasBegunIsNoFailure);
    CPPUNIT_TEST(testNoReforkOutlivesTheShutdown);
    CPPUNIT_TEST_SUITE_END();

    AppCounters counters_;
    Spawns spawns_{counters_};
    std::optional<Versions> versions_;
    std::optional<PreloaderCare> care_;
    /** What the care told. */
    std::vector<InstanceId> replaced_;
    unsigned changes_ = 0;
    /** Whether reforks fail. */
    bool failing_ = false;
    /** What they make. */
    std::shared_ptr<const Origin> reforked_;

    static ProcessPtr instanceOf(const std::shared_ptr<const Origin> &origin, InstanceId id = InstanceId(1)) {
        SpawnResult result{};
        result.origin = origin;
        return std::make_shared<Process>(std::move(result), id, 1, MonotonicTime(), Process::Start());
    }
    static std::shared_ptr<const Origin> originOf(const LeftProcess &process) {
        return std::make_shared<const Origin>(Origin{SpawnPlan(), 0, openPidFd(process.pid)});
    }
    ProcessPtr serveFork(const std::shared_ptr<const Origin> &origin) {
        ProcessPtr process = instanceOf(origin, InstanceId(++lastId_));
        instances_->add(process);
        return process;
    }
    /** The instance says WARM, and the refork ends if it has begun. */
    void warm(const Process &process) {
        {
            const PoolGuard guard(*context_);
            care_->warm(process);
        }
        context_->threads.join();
    }

public:
    void setUp() override {
        GroupParts::setUp();
        options_.maxPreloaderIdleTime = seconds(10);
        replaced_.clear();
        changes_ = 0;
        failing_ = false;
        reforked_ = std::make_shared<const Origin>();
        factory_->refork = [this](const WarmInstance &) {
            if (failing_) {
                throw SpawnException("a failure was ordered");
            }
            return reforked_;
        };
        versions_.emplace(app_, context_->threads, factory_->create(options_));
        care_.emplace(
            PreloaderCare::Parts{app_, options_, *context_, spawns_, *instances_, *versions_, counters_},
            PreloaderCare::Events{[this](Process &process, const std::string &) { replaced_.push_back(process.id()); },
                                  [this] { changes_++; }});
    }
    void tearDown() override {
        care_.reset();
        versions_.reset();
        reforked_.reset();
        GroupParts::tearDown();
    }

    void testThePreloaderRestsOnceAfterEachSpawn() {
        CPPUNIT_ASSERT(!care_->restDate());
        care_->spawnEnded(now());
        CPPUNIT_ASSERT(care_->restDate() == now() + seconds(10));
        care_->restIfDue(now());
        clock_.advance(seconds(10));
        care_->restIfDue(now());
        care_->restIfDue(now());
        context_->threads.join();
        CPPUNIT_ASSERT_EQUAL(1U, factory_->rests());
        CPPUNIT_ASSERT(!care_->restDate());
    }

    void testThePreloaderDoesNotRestDuringASpawnOrADeployment() {
        care_->spawnEnded(now());
        spawns_.begun(SpawnTask());
        CPPUNIT_ASSERT(!care_->restDate());
        spawns_.concluded(SpawnTask());
        CPPUNIT_ASSERT(care_->restDate());
        versions_->deploy(factory_->create(options_), nullptr, now());
        CPPUNIT_ASSERT_MESSAGE("the old version may need it", !care_->restDate());
        versions_->adopt();
        CPPUNIT_ASSERT(care_->restDate());
        options_.maxPreloaderIdleTime = seconds(0);
        CPPUNIT_ASSERT(!care_->restDate());
    }

    void testThePreloaderForksWithTheOptionsOfItsStartOnly() {
        CPPUNIT_ASSERT(!care_->isLoaded());
        care_->joined(*instanceOf(std::make_shared<const Origin>()), options_);
        options_.maxRequests = 100;
        CPPUNIT_ASSERT(care_->isLoaded());
        const Options before = options_;
        options_.spawnMethod = "direct";
        CPPUNIT_ASSERT(!care_->isLoaded());
        options_ = before;
        options_.variables = [] { return Options::Variables{{"REGION", "north"}}; };
        CPPUNIT_ASSERT(!care_->isLoaded());
        options_ = before;
        CPPUNIT_ASSERT(care_->isLoaded());
        care_->joined(*instanceOf(nullptr), options_);
        CPPUNIT_ASSERT(!care_->isLoaded());
    }

    void testAPreloaderThatHasEndedHasNothingLoaded() {
        LeftProcess preloader("");
        care_->joined(*instanceOf(originOf(preloader)), options_);
        CPPUNIT_ASSERT(care_->isLoaded());
        preloader.end();
        CPPUNIT_ASSERT(!care_->isLoaded());
        const LeftProcess next("");
        care_->joined(*instanceOf(originOf(next)), options_);
        CPPUNIT_ASSERT(care_->isLoaded());
    }

    void testAfterAReforkTheEndOfTheOldPreloaderChangesNothing() {
        LeftProcess old("");
        const auto origin = originOf(old);
        const ProcessPtr warmed = serveFork(origin);
        care_->joined(*warmed, options_);
        warm(*warmed);
        old.end();
        CPPUNIT_ASSERT(care_->isLoaded());
        // Its start began before the refork.
        care_->joined(*instanceOf(origin), options_);
        CPPUNIT_ASSERT(care_->isLoaded());
    }

    void testAReforkedPreloaderThatHasEndedHasNothingLoaded() {
        LeftProcess next("");
        reforked_ = originOf(next);
        const ProcessPtr warmed = serveFork(std::make_shared<const Origin>());
        care_->joined(*warmed, options_);
        warm(*warmed);
        CPPUNIT_ASSERT(care_->isLoaded());
        next.end();
        CPPUNIT_ASSERT(!care_->isLoaded());
    }

    void testAForkThatFoundNoPreloaderLeavesNothingLoaded() {
        care_->joined(*instanceOf(std::make_shared<const Origin>()), options_);
        care_->notLoaded();
        CPPUNIT_ASSERT(!care_->isLoaded());
    }

    void testAfterAReforkTheInstancesOfTheOldPreloaderAreReplaced() {
        const auto origin = std::make_shared<const Origin>();
        const ProcessPtr first = serveFork(origin);
        const ProcessPtr warmed = serveFork(origin);
        const ProcessPtr direct = serveFork(nullptr);
        const ProcessPtr other = serveFork(std::make_shared<const Origin>());
        warm(*warmed);
        CPPUNIT_ASSERT(!care_->reforking());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, counters_.reforked);
        CPPUNIT_ASSERT(replaced_ == std::vector({first->id(), warmed->id()}));
        CPPUNIT_ASSERT_EQUAL(1U, changes_);
        CPPUNIT_ASSERT(care_->restDate() == now() + seconds(10));
        const PoolGuard guard(*context_);
        care_->replaceIfCold(*other);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, replaced_.size());
        const ProcessPtr late = serveFork(origin);
        care_->replaceIfCold(*late);
        CPPUNIT_ASSERT(replaced_.back() == late->id());
    }

    void testAReforkWithoutOldInstancesStillChangesTheDate() {
        const ProcessPtr warmed = serveFork(std::make_shared<const Origin>());
        {
            const PoolGuard guard(*context_);
            care_->warm(*warmed);
            CPPUNIT_ASSERT(care_->reforking());
            care_->warm(*warmed);
            instances_->remove(warmed);
        }
        context_->threads.join();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, counters_.reforked);
        CPPUNIT_ASSERT(replaced_.empty());
        CPPUNIT_ASSERT_EQUAL(1U, changes_);
    }

    void testAReforkThatFailsIsCountedAndReplacesNothing() {
        failing_ = true;
        const ProcessPtr warmed = serveFork(std::make_shared<const Origin>());
        warm(*warmed);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, counters_.reforksFailed);
        CPPUNIT_ASSERT_EQUAL(1U, log_->count("event=refork.failed"));
        CPPUNIT_ASSERT(replaced_.empty());
        failing_ = false;
        warm(*warmed);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, counters_.reforked);
    }

    void testOnlyAServingForkOfTheCurrentVersionReforks() {
        const auto origin = std::make_shared<const Origin>();
        const ProcessPtr direct = serveFork(nullptr);
        const ProcessPtr due = serveFork(origin);
        due->lifecycle().fallDue("it is worn");
        const ProcessPtr draining = serveFork(origin);
        instances_->retire(draining);
        const ProcessPtr gone = instanceOf(origin, InstanceId(99));
        for (const ProcessPtr &process : {direct, due, draining, gone}) {
            warm(*process);
        }
        const ProcessPtr serving = serveFork(origin);
        versions_->deploy(factory_->create(options_), nullptr, now());
        warm(*serving);
        versions_->adopt();
        warm(*serving);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, counters_.reforked);
    }

    void testAfterAFailedDeploymentNoInstanceReforks() {
        const ProcessPtr warmed = serveFork(std::make_shared<const Origin>());
        versions_->deploy(factory_->create(options_), nullptr, now());
        versions_->fail({GetFailure::Reason::SPAWN_FAILED, "broken"}, true, "the old version keeps serving");
        warm(*warmed);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, counters_.reforked);
    }

    void testAReforkThatFailsSinceADeploymentHasBegunIsNoFailure() {
        failing_ = true;
        const ProcessPtr warmed = serveFork(std::make_shared<const Origin>());
        {
            const PoolGuard guard(*context_);
            care_->warm(*warmed);
            versions_->deploy(factory_->create(options_), nullptr, now());
        }
        context_->threads.join();
        CPPUNIT_ASSERT(!care_->reforking());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, counters_.reforksFailed);
        CPPUNIT_ASSERT_EQUAL(0U, log_->count("event=refork.failed"));
    }

    void testARestartDropsARefork() {
        const ProcessPtr warmed = serveFork(std::make_shared<const Origin>());
        {
            const PoolGuard guard(*context_);
            care_->warm(*warmed);
            versions_->replace(factory_->create(options_));
        }
        context_->threads.join();
        CPPUNIT_ASSERT(!care_->reforking());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, counters_.reforked);
        CPPUNIT_ASSERT_EQUAL(0U, changes_);
    }

    void testNoReforkOutlivesTheShutdown() {
        const ProcessPtr warmed = serveFork(std::make_shared<const Origin>());
        {
            const PoolGuard guard(*context_);
            care_->warm(*warmed);
            versions_->shutDown();
        }
        context_->threads.join();
        warm(*warmed);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, counters_.reforked);
        CPPUNIT_ASSERT_EQUAL(0U, changes_);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PreloaderCareTest);

}  // namespace Passenger
