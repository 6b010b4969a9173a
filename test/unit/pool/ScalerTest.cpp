#include "pool/Scaler.h"

#include <cppunit/extensions/HelperMacros.h>

#include "support/GroupParts.h"
#include "support/ScaledApplication.h"

namespace Passenger {

using std::chrono::seconds;

class ScalerTest : public GroupParts {
    CPPUNIT_TEST_SUITE(ScalerTest);
    CPPUNIT_TEST(testAnExpectedRequestStartsOneInstance);
    CPPUNIT_TEST(testNothingStartsBeforeTheDateAfterAFailure);
    CPPUNIT_TEST(testAnInstanceThatIsDueIsReplaced);
    CPPUNIT_TEST(testIdleInstancesEndAndTheQueueCloses);
    CPPUNIT_TEST(testAfterTheStopNothingStarts);
    CPPUNIT_TEST_SUITE_END();

    std::optional<Room> room_;
    std::optional<ScaledApplication> shop_;

public:
    void setUp() override {
        GroupParts::setUp();
        options_.minInstances = 0;
        room_.emplace(settings_, context_->orphans, cpu_);
        // No start ends before the test does.
        factory_->hold();
        const PoolGuard guard(*context_);
        shop_.emplace(*context_, *room_, "shop", 1, options_);
    }
    void tearDown() override {
        factory_->release();
        shop_.reset();
        room_.reset();
        GroupParts::tearDown();
    }

    void testAnExpectedRequestStartsOneInstance() {
        const PoolGuard guard(*context_);
        shop_->scaler.rescale();
        CPPUNIT_ASSERT(shop_->spawns.none());
        shop_->request();
        shop_->scaler.rescale();
        shop_->scaler.rescale();
        CPPUNIT_ASSERT_EQUAL(1U, shop_->spawns.starting());
        CPPUNIT_ASSERT_EQUAL(1U, shop_->scaler.size());
        CPPUNIT_ASSERT(shop_->date);
    }

    void testNothingStartsBeforeTheDateAfterAFailure() {
        const PoolGuard guard(*context_);
        shop_->spawns.failed(now(), true);
        shop_->request();
        shop_->scaler.rescale();
        CPPUNIT_ASSERT(shop_->spawns.none());
        CPPUNIT_ASSERT(shop_->date && *shop_->date <= shop_->spawns.notBefore());
        clock_.advance(shop_->spawns.notBefore() - now());
        shop_->request();
        shop_->scaler.rescale();
        CPPUNIT_ASSERT_EQUAL(1U, shop_->spawns.starting());
    }

    void testAnInstanceThatIsDueIsReplaced() {
        const PoolGuard guard(*context_);
        shop_->request();
        const ProcessPtr due = shop_->serve();
        due->lifecycle().fallDue("it is old");
        shop_->scaler.rescale();
        CPPUNIT_ASSERT(shop_->spawns.beingReplaced() == due->id());
        CPPUNIT_ASSERT(shop_->succession.replacing());
        CPPUNIT_ASSERT(shop_->succession.startingReplacement());
        shop_->scaler.rescale();
        CPPUNIT_ASSERT_EQUAL(1U, shop_->spawns.starting());
    }

    void testIdleInstancesEndAndTheQueueCloses() {
        const PoolGuard guard(*context_);
        shop_->request();
        const ProcessPtr idle = shop_->serve();
        for (int i = 0; i < 400 && shop_->queue.current(); i++) {
            clock_.advance(seconds(1));
            shop_->scaler.endUnneeded(now());
        }
        CPPUNIT_ASSERT(idle->state() == Process::State::DRAINING);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, shop_->counters.idled);
        CPPUNIT_ASSERT(!shop_->queue.current());
    }

    void testAfterTheStopNothingStarts() {
        const PoolGuard guard(*context_);
        shop_->request();
        shop_->scaler.stop();
        shop_->scaler.rescale();
        CPPUNIT_ASSERT(shop_->spawns.none());
        CPPUNIT_ASSERT(!shop_->date);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ScalerTest);

}  // namespace Passenger
