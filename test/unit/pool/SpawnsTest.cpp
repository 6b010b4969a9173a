#include "pool/Spawns.h"

#include <cppunit/extensions/HelperMacros.h>

#include "exchange/QueueHost.h"
#include "support/ManualClock.h"

namespace Passenger {

using std::chrono::seconds;

class SpawnsTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(SpawnsTest);
    CPPUNIT_TEST(testSpawnsAreCountedByTheirPurpose);
    CPPUNIT_TEST(testAFailedReplacementIsNoLongerUnderWay);
    CPPUNIT_TEST(testStartsAndDeathsAreCounted);
    CPPUNIT_TEST(testAfterAFailureOneInstanceStartsAtATime);
    CPPUNIT_TEST(testAnApplicationThatIsDownIsRefusedUntilTheNextAttempt);
    CPPUNIT_TEST(testALateChildIsRefusedUntilAnInstanceServes);
    CPPUNIT_TEST(testARestartForgetsTheFailureButNotThatItIsDown);
    CPPUNIT_TEST(testASeriesOfEarlyDeathsIsAFailureIfNoStartIsDueSoon);
    CPPUNIT_TEST_SUITE_END();

    const GetFailure failure_{GetFailure::Reason::SPAWN_FAILED, "no such file"};
    ManualClock clock_;
    AppCounters counters_;
    Spawns spawns_{counters_};

    MonotonicTime now() const { return clock_.now(); }
    static SpawnTask task(SpawnTask::Purpose purpose, InstanceId replaces = InstanceId()) {
        SpawnTask task;
        task.purpose = purpose;
        task.replaces = replaces;
        return task;
    }
    /** An instance dies that has answered nothing. */
    void die() { spawns_.died({}, now(), now(), MonotonicTime()); }

public:
    void testSpawnsAreCountedByTheirPurpose() {
        CPPUNIT_ASSERT(spawns_.none());
        spawns_.begun(task(SpawnTask::Purpose::GROW));
        SpawnTask load = task(SpawnTask::Purpose::DEPLOY);
        load.loads = true;
        load.aboveLimit = true;
        load.orphan = "instance:1";
        spawns_.begun(load);
        CPPUNIT_ASSERT_EQUAL(2U, spawns_.starting());
        CPPUNIT_ASSERT_EQUAL(1U, spawns_.growing());
        CPPUNIT_ASSERT_EQUAL(1U, spawns_.loads());
        CPPUNIT_ASSERT_EQUAL(1U, spawns_.aboveLimit());
        CPPUNIT_ASSERT(spawns_.adopts());
        CPPUNIT_ASSERT(!spawns_.beingReplaced());
        spawns_.concluded(load);
        CPPUNIT_ASSERT_EQUAL(1U, spawns_.starting());
        CPPUNIT_ASSERT_EQUAL(1U, spawns_.growing());
        CPPUNIT_ASSERT_EQUAL(0U, spawns_.loads());
        CPPUNIT_ASSERT_EQUAL(0U, spawns_.aboveLimit());
        CPPUNIT_ASSERT(!spawns_.adopts());
    }

    void testAFailedReplacementIsNoLongerUnderWay() {
        const SpawnTask replace = task(SpawnTask::Purpose::REPLACE, InstanceId(7));
        spawns_.begun(replace);
        CPPUNIT_ASSERT(spawns_.beingReplaced() == InstanceId(7));
        spawns_.concluded(replace);
        CPPUNIT_ASSERT(!spawns_.beingReplaced());
        CPPUNIT_ASSERT(spawns_.none());
    }

    void testStartsAndDeathsAreCounted() {
        spawns_.joined(seconds(3), true);
        spawns_.joined(std::nullopt, false);
        spawns_.joined(std::nullopt, true);
        spawns_.failed(now(), true);
        die();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, counters_.spawned);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, counters_.adopted);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, counters_.spawnsFailed);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, counters_.died);
        CPPUNIT_ASSERT_MESSAGE("That of the last start", spawns_.lastTime() == seconds(3));
    }

    void testAfterAFailureOneInstanceStartsAtATime() {
        CPPUNIT_ASSERT_EQUAL(3U, spawns_.limit(3));
        CPPUNIT_ASSERT(!spawns_.lastFailure());
        spawns_.failed(now(), true);
        CPPUNIT_ASSERT(spawns_.lastFailure() == now());
        CPPUNIT_ASSERT(!spawns_.mayTry(now()));
        CPPUNIT_ASSERT(spawns_.mayTry(spawns_.notBefore()));
        CPPUNIT_ASSERT_EQUAL(1U, spawns_.limit(3));
        spawns_.begun(SpawnTask());
        CPPUNIT_ASSERT_EQUAL(0U, spawns_.limit(3));
        spawns_.joined(seconds(1), false);
        CPPUNIT_ASSERT_EQUAL(0U, spawns_.limit(3));
        spawns_.joined(seconds(1), true);
        CPPUNIT_ASSERT_EQUAL(3U, spawns_.limit(3));
    }

    void testAnApplicationThatIsDownIsRefusedUntilTheNextAttempt() {
        CPPUNIT_ASSERT(!spawns_.failsAtOnce(now()));
        spawns_.failed(now(), true);
        CPPUNIT_ASSERT_MESSAGE("Others serve", !spawns_.failsAtOnce(now()) && !spawns_.isFailing());
        spawns_.wentDown(failure_, Generation());
        CPPUNIT_ASSERT(spawns_.failsAtOnce(now()) && spawns_.isFailing());
        CPPUNIT_ASSERT_THROW(spawns_.refuse(), RefusedException);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, counters_.notStarted);
        spawns_.begun(SpawnTask());
        CPPUNIT_ASSERT_MESSAGE("One is on its way", !spawns_.failsAtOnce(now()));
        spawns_.concluded(SpawnTask());
        clock_.advance(spawns_.notBefore() - now());
        CPPUNIT_ASSERT(!spawns_.failsAtOnce(now()));
        CPPUNIT_ASSERT(spawns_.isFailing());
    }

    void testALateChildIsRefusedUntilAnInstanceServes() {
        spawns_.wentDown(failure_, Generation(4));
        // The next attempt had no queue.
        spawns_.wentDown(failure_, Generation());
        CPPUNIT_ASSERT(spawns_.wentDownWith(Generation(4)));
        CPPUNIT_ASSERT(!spawns_.wentDownWith(Generation(3)));
        CPPUNIT_ASSERT(!spawns_.wentDownWith(Generation()));
        spawns_.joined(seconds(1), true);
        CPPUNIT_ASSERT(!spawns_.wentDownWith(Generation(4)));
        CPPUNIT_ASSERT(!spawns_.isFailing());
    }

    void testARestartForgetsTheFailureButNotThatItIsDown() {
        spawns_.failed(now(), true);
        spawns_.wentDown(failure_, Generation(4));
        spawns_.changed();
        CPPUNIT_ASSERT(spawns_.mayTry(now()));
        CPPUNIT_ASSERT(!spawns_.wentDownWith(Generation(4)));
        CPPUNIT_ASSERT(spawns_.isFailing());
        CPPUNIT_ASSERT(spawns_.lastFailure() == now());
    }

    void testASeriesOfEarlyDeathsIsAFailureIfNoStartIsDueSoon() {
        die();
        CPPUNIT_ASSERT_MESSAGE("The next one starts at once", !spawns_.givesUpForNow(now(), false));
        die();
        die();
        CPPUNIT_ASSERT(!spawns_.givesUpForNow(now(), true));
        spawns_.begun(SpawnTask());
        CPPUNIT_ASSERT_MESSAGE("One is on its way", !spawns_.givesUpForNow(now(), false));
        spawns_.concluded(SpawnTask());
        CPPUNIT_ASSERT(!spawns_.lastFailure());
        CPPUNIT_ASSERT(spawns_.givesUpForNow(now(), false));
        CPPUNIT_ASSERT(spawns_.lastFailure() == now());
        die();
        die();
        CPPUNIT_ASSERT_MESSAGE("It has to wait for 10 s", spawns_.givesUpForNow(now(), true));
        spawns_.answered(now() + seconds(1));
        CPPUNIT_ASSERT(!spawns_.givesUpForNow(now(), true));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SpawnsTest);

}  // namespace Passenger
