#include "pool/PreloaderCare.h"

#include <cppunit/extensions/HelperMacros.h>

#include "spawning/Preloader.h"
#include "support/GroupParts.h"

namespace Passenger {

using std::chrono::seconds;

class PreloaderCareTest : public GroupParts {
    CPPUNIT_TEST_SUITE(PreloaderCareTest);
    CPPUNIT_TEST(testThePreloaderRestsOnceAfterEachSpawn);
    CPPUNIT_TEST(testThePreloaderDoesNotRestDuringASpawn);
    CPPUNIT_TEST(testThePreloaderForksWithTheOptionsOfItsStartOnly);
    CPPUNIT_TEST(testAfterAReforkTheInstancesOfTheOldPreloaderAreCold);
    CPPUNIT_TEST_SUITE_END();

    PendingSpawns pending_;
    std::optional<PreloaderCare> care_;

    static ProcessPtr instanceOf(const std::shared_ptr<const Origin> &origin) {
        SpawnResult result{};
        result.origin = origin;
        return std::make_shared<Process>(std::move(result), InstanceId(1), 1, MonotonicTime());
    }

public:
    void setUp() override {
        GroupParts::setUp();
        options_.maxPreloaderIdleTime = seconds(10);
        pending_ = PendingSpawns();
        care_.emplace(app_, options_, context_->threads, pending_);
    }

    void testThePreloaderRestsOnceAfterEachSpawn() {
        const SpawnerPointer spawner = factory_->create(options_);
        CPPUNIT_ASSERT(!care_->restDate());
        care_->spawnEnded(now());
        CPPUNIT_ASSERT(care_->restDate() == now() + seconds(10));
        care_->restIfDue(spawner, now());
        clock_.advance(seconds(10));
        care_->restIfDue(spawner, now());
        care_->restIfDue(spawner, now());
        context_->threads.join();
        CPPUNIT_ASSERT_EQUAL(1U, factory_->rests());
        CPPUNIT_ASSERT(!care_->restDate());
    }

    void testThePreloaderDoesNotRestDuringASpawn() {
        care_->spawnEnded(now());
        pending_.begun(SpawnTask());
        CPPUNIT_ASSERT(!care_->restDate());
        pending_.concluded(SpawnTask());
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

    void testAfterAReforkTheInstancesOfTheOldPreloaderAreCold() {
        const auto origin = std::make_shared<const Origin>();
        const ProcessPtr warm = instanceOf(origin);
        CPPUNIT_ASSERT(!care_->isCold(*warm));
        care_->reforked(*warm, now());
        CPPUNIT_ASSERT(care_->isCold(*warm));
        CPPUNIT_ASSERT(!care_->isCold(*instanceOf(std::make_shared<const Origin>())));
        CPPUNIT_ASSERT(!care_->isCold(*instanceOf(nullptr)));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PreloaderCareTest);

}  // namespace Passenger
