#include "pool/PendingSpawns.h"

#include <cppunit/extensions/HelperMacros.h>

namespace Passenger {

class PendingSpawnsTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(PendingSpawnsTest);
    CPPUNIT_TEST(testSpawnsAreCountedByTheirPurpose);
    CPPUNIT_TEST(testAFailedReplacementIsNoLongerUnderWay);
    CPPUNIT_TEST_SUITE_END();

    PendingSpawns pending_;

    static SpawnTask task(SpawnTask::Purpose purpose, InstanceId replaces = InstanceId()) {
        SpawnTask task;
        task.purpose = purpose;
        task.replaces = replaces;
        return task;
    }

public:
    void setUp() override { pending_ = PendingSpawns(); }

    void testSpawnsAreCountedByTheirPurpose() {
        CPPUNIT_ASSERT(pending_.none());
        pending_.begun(task(SpawnTask::Purpose::GROW));
        SpawnTask load = task(SpawnTask::Purpose::DEPLOY);
        load.loads = true;
        pending_.begun(load);
        CPPUNIT_ASSERT_EQUAL(1U, pending_.loads());
        CPPUNIT_ASSERT_EQUAL(2U, pending_.starting());
        CPPUNIT_ASSERT_EQUAL(1U, pending_.growing());
        CPPUNIT_ASSERT(!pending_.beingReplaced());
        pending_.concluded(load);
        CPPUNIT_ASSERT_EQUAL(0U, pending_.loads());
        CPPUNIT_ASSERT_EQUAL(1U, pending_.starting());
        CPPUNIT_ASSERT_EQUAL(1U, pending_.growing());
    }

    void testAFailedReplacementIsNoLongerUnderWay() {
        const SpawnTask replace = task(SpawnTask::Purpose::REPLACE, InstanceId(7));
        pending_.begun(replace);
        CPPUNIT_ASSERT(pending_.beingReplaced() == InstanceId(7));
        pending_.concluded(replace);
        CPPUNIT_ASSERT(!pending_.beingReplaced());
        CPPUNIT_ASSERT(pending_.none());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PendingSpawnsTest);

}  // namespace Passenger
