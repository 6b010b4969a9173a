#include "pool/Disuse.h"

#include <cppunit/extensions/HelperMacros.h>

#include <optional>

#include "support/GroupParts.h"

namespace Passenger {

using std::chrono::seconds;

class DisuseTest : public GroupParts {
    CPPUNIT_TEST_SUITE(DisuseTest);
    CPPUNIT_TEST(testEachPartShowsThatTheApplicationIsUsed);
    CPPUNIT_TEST(testItIsForgottenAfterTheTimeWithoutUse);
    CPPUNIT_TEST(testWithoutATimeItIsNotForgotten);
    CPPUNIT_TEST(testAnAbandonedApplicationIsForgottenAtOnceUnlessItIsUsed);
    CPPUNIT_TEST(testAChildWithTheNewConfigurationTakesTheApplicationBack);
    CPPUNIT_TEST_SUITE_END();

    AppCounters counters_;
    Spawns spawns_{counters_};
    std::optional<Versions> versions_;
    std::optional<PreloaderCare> preloader_;
    std::optional<Disuse> disuse_;

public:
    void setUp() override {
        GroupParts::setUp();
        versions_.emplace(app_, context_->threads, factory_->create(options_));
        preloader_.emplace(PreloaderCare::Parts{app_, options_, *context_, spawns_, *instances_, *versions_, counters_},
                           PreloaderCare::Events{});
        disuse_.emplace(Disuse::Parts{settings_, *channels_, *queue_, *instances_, spawns_, *versions_, *preloader_},
                        now());
        CPPUNIT_ASSERT_MESSAGE("A child has a channel", !disuse_->isUnused());
        channels_->remove(channel_, 0);
        CPPUNIT_ASSERT(disuse_->isUnused());
    }
    void tearDown() override {
        disuse_.reset();
        preloader_.reset();
        versions_.reset();
        GroupParts::tearDown();
    }

    void testEachPartShowsThatTheApplicationIsUsed() {
        const ProcessPtr process = serve();
        CPPUNIT_ASSERT(!disuse_->isUnused());
        instances_->remove(process);
        CPPUNIT_ASSERT(disuse_->isUnused());
        spawns_.begun(SpawnTask());
        CPPUNIT_ASSERT(!disuse_->isUnused());
        spawns_.concluded(SpawnTask());
        CPPUNIT_ASSERT(disuse_->isUnused());
        versions_->deploy(factory_->create(options_), nullptr, now());
        CPPUNIT_ASSERT(!disuse_->isUnused());
        versions_->adopt();
        CPPUNIT_ASSERT(disuse_->isUnused());
        makeQueue();
        CPPUNIT_ASSERT(!disuse_->isUnused());
        CPPUNIT_ASSERT(disuse_->isUnusedButQueue());
    }

    void testItIsForgottenAfterTheTimeWithoutUse() {
        settings_.forgetTime = seconds(40);
        CPPUNIT_ASSERT(disuse_->nextLook(now()) == now() + seconds(10));
        clock_.advance(seconds(39));
        CPPUNIT_ASSERT(!disuse_->isOver(now()));
        const ProcessPtr process = serve();
        CPPUNIT_ASSERT(!disuse_->isOver(now()));
        CPPUNIT_ASSERT(disuse_->lastUsed() == now());
        instances_->remove(process);
        clock_.advance(seconds(39));
        CPPUNIT_ASSERT(!disuse_->isOver(now()));
        clock_.advance(seconds(1));
        CPPUNIT_ASSERT(disuse_->isOver(now()));
        disuse_->noteUse(now(), false);
        CPPUNIT_ASSERT(!disuse_->isOver(now()));
    }

    void testWithoutATimeItIsNotForgotten() {
        settings_.forgetTime = seconds(0);
        clock_.advance(std::chrono::hours(1000));
        CPPUNIT_ASSERT(!disuse_->isOver(now()));
        CPPUNIT_ASSERT(!disuse_->nextLook(now()));
    }

    void testAnAbandonedApplicationIsForgottenAtOnceUnlessItIsUsed() {
        settings_.forgetTime = seconds(0);
        const ProcessPtr process = serve();
        disuse_->abandon();
        CPPUNIT_ASSERT(disuse_->isAbandoned());
        CPPUNIT_ASSERT(!disuse_->isOver(now()));
        CPPUNIT_ASSERT(disuse_->nextLook(now()) == now() + seconds(1));
        instances_->remove(process);
        CPPUNIT_ASSERT(disuse_->isOver(now()));
    }

    void testAChildWithTheNewConfigurationTakesTheApplicationBack() {
        disuse_->abandon();
        disuse_->noteUse(now(), true);
        CPPUNIT_ASSERT(disuse_->isAbandoned());
        disuse_->noteUse(now(), false);
        CPPUNIT_ASSERT(!disuse_->isAbandoned());
        CPPUNIT_ASSERT(!disuse_->isOver(now()));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(DisuseTest);

}  // namespace Passenger
