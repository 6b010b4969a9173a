#include "pool/Spares.h"

#include <cppunit/extensions/HelperMacros.h>

#include "support/GroupParts.h"

namespace Passenger {

using std::chrono::seconds;

class SparesTest : public GroupParts {
    CPPUNIT_TEST_SUITE(SparesTest);
    CPPUNIT_TEST(testWithoutLimitsNoInstanceIsSpare);
    CPPUNIT_TEST(testStartingInstancesCountAsSpares);
    CPPUNIT_TEST(testFreeInstancesAboveTheLimitEnd);
    CPPUNIT_TEST(testSparesDoNotEndForBeingIdle);
    CPPUNIT_TEST_SUITE_END();

    AppCounters counters_;
    Spawns spawns_{counters_};
    std::optional<Demand> demand_;
    std::optional<Spares> spares_;

public:
    void setUp() override {
        GroupParts::setUp();
        demand_.emplace(options_, settings_, *pauses_, *queue_, *instances_);
        spares_.emplace(options_, *demand_, *instances_, spawns_);
        demand_->requested(now());
        serve();
    }

    void testWithoutLimitsNoInstanceIsSpare() {
        CPPUNIT_ASSERT_EQUAL(0U, spares_->missing(now()));
        CPPUNIT_ASSERT_EQUAL(0U, spares_->surplus(now()));
        CPPUNIT_ASSERT_EQUAL(1U, spares_->withoutSpares(1, now()));
        CPPUNIT_ASSERT(!spares_->nextCheck(now()));
    }

    void testStartingInstancesCountAsSpares() {
        options_.minSpareInstances = 3;
        CPPUNIT_ASSERT_EQUAL(2U, spares_->missing(now()));
        spawns_.begun(SpawnTask());
        CPPUNIT_ASSERT_EQUAL(1U, spares_->missing(now()));
        claim(*instances_->all().front(), channel_, Ticket(1));
        CPPUNIT_ASSERT_EQUAL(2U, spares_->missing(now()));
    }

    void testFreeInstancesAboveTheLimitEnd() {
        options_.maxSpareInstances = 1;
        serve();
        serve();
        unsigned surplus = 0;
        for (int i = 0; i < 4; i++) {
            clock_.advance(seconds(1));
            surplus = std::max(surplus, spares_->surplus(now()));
        }
        CPPUNIT_ASSERT_EQUAL(2U, surplus);
    }

    void testSparesDoNotEndForBeingIdle() {
        serve();
        serve();
        options_.minSpareInstances = 1;
        CPPUNIT_ASSERT_EQUAL(2U, spares_->withoutSpares(3, now()));
        options_.maxSpareInstances = 2;
        CPPUNIT_ASSERT_EQUAL(0U, spares_->withoutSpares(3, now()));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SparesTest);

}  // namespace Passenger
