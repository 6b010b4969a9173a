// Pool: deploying exceeds the limits by one instance at most.

#include <cppunit/extensions/HelperMacros.h>

#include "support/Eventually.h"
#include "support/PoolContract.h"

namespace Passenger {

using namespace std::chrono_literals;

class PoolLimitsTest : public PoolContract {
    CPPUNIT_TEST_SUITE(PoolLimitsTest);
    CPPUNIT_TEST(testThePoolsLimitIsExceededByOneAtMost);
    CPPUNIT_TEST(testManyRestartsOfABusyApplicationExceedNoLimitByTwo);
    CPPUNIT_TEST(testManyRestartsExceedTheApplicationsLimitByOneAtMost);
    CPPUNIT_TEST(testApplicationsOfAFullPoolDeployOneAfterTheOther);
    CPPUNIT_TEST(testALoweredMaximumLimitsTheInstancesAfterARestart);
    CPPUNIT_TEST(testInstancesClearedDuringADeploymentAreReplacedByOneInstance);
    CPPUNIT_TEST_SUITE_END();

    std::string state() const { return group(inFolder()).state; }
    bool eventuallyVersion(std::uint64_t version) const {
        return eventually([&] { return group(inFolder()).version == version; });
    }
    /** Restarts with the new version's first boot under way. */
    void beginToDeploy() {
        factory_->hold();
        restart();
        factory_->waitUntilHeld(1);
    }
    /** Each version gets a request that lasts. */
    void restartWithABusyInstanceEach(const Options &options, unsigned limit, std::vector<HeldPtr> sessions) {
        for (std::uint64_t version = 1; version <= 2; version++) {
            CPPUNIT_ASSERT(eventuallyVersion(version));
            sessions.push_back(get(options));
            restart();
        }
        for (int i = 0; i < 5; i++) {
            advance(1s, 1s);
            eventually([&] { return group(options).starting == 0; }, 20ms);
            CPPUNIT_ASSERT(size() <= limit + 1);
        }
        sessions.clear();
        CPPUNIT_ASSERT_MESSAGE("The latest version comes when there may be one more", eventuallyVersion(3));
        CPPUNIT_ASSERT(eventually([&] { return size() <= limit && state() == nameOf(GroupState::SERVING); }));
    }

public:
    void testThePoolsLimitIsExceededByOneAtMost() {
        std::vector<HeldPtr> sessions;
        for (int i = 0; i < 3; i++) {
            sessions.push_back(get(inFolder()));
        }
        beginToDeploy();
        CPPUNIT_ASSERT_EQUAL(4U, size());
        factory_->release();
        CPPUNIT_ASSERT(eventuallyVersion(2));
        while (!sessions.empty()) {
            CPPUNIT_ASSERT_EQUAL(4U, size());
            sessions.pop_back();
            CPPUNIT_ASSERT(eventually([this] { return group(inFolder()).starting == 0; }));
        }
        CPPUNIT_ASSERT(eventuallyServing(3, inFolder()));
        CPPUNIT_ASSERT_EQUAL(3U, size());
    }

    void testManyRestartsOfABusyApplicationExceedNoLimitByTwo() {
        setMax(1);
        get(inFolder()).reset();
        restartWithABusyInstanceEach(inFolder(), 1, {});
    }

    void testManyRestartsExceedTheApplicationsLimitByOneAtMost() {
        setMax(9);
        Options options = inFolder();
        options.maxInstances = 2;
        warmUp(2, options);
        std::vector<HeldPtr> sessions;
        sessions.push_back(get(options));
        restartWithABusyInstanceEach(options, 2, std::move(sessions));
    }

    void testApplicationsOfAFullPoolDeployOneAfterTheOther() {
        setMax(2);
        Options other = inFolder();
        other.appGroupName = "other";
        get(inFolder()).reset();
        get(other).reset();
        beginToDeploy();
        CPPUNIT_ASSERT_EQUAL(3U, size());
        CPPUNIT_ASSERT(group(other).state == nameOf(GroupState::DEPLOY_WAITS));
        factory_->release();
        CPPUNIT_ASSERT(eventuallyVersion(2));
        CPPUNIT_ASSERT(eventually([&] { return group(other).version == 2; }));
        CPPUNIT_ASSERT(eventually([this] { return size() == 2; }));
    }

    void testALoweredMaximumLimitsTheInstancesAfterARestart() {
        warmUp(3, inFolder());
        setMax(1);
        restart();
        CPPUNIT_ASSERT(eventually([this] { return group(inFolder()).version == 2; }));
        advance(10s, 1s);
        CPPUNIT_ASSERT_EQUAL(1U, count());
        CPPUNIT_ASSERT_EQUAL(4U, factory_->attempts());
    }

    void testInstancesClearedDuringADeploymentAreReplacedByOneInstance() {
        setMax(9);
        Options options = inFolder();
        options.maxInstances = 2;
        options.maxRequests = 1;
        const HeldPtr one = get(options);
        const HeldPtr other = get(options);
        beginToDeploy();
        pool_->clear();
        // Without a request, the pool would discard the new instance.
        const AnswerPtr waiter = ask(options);
        factory_->release();
        // The new instance is due for replacement at once.
        waiter->session().reset();
        CPPUNIT_ASSERT(eventuallyServing(1, options));
        CPPUNIT_ASSERT_EQUAL(3U, size());
        CPPUNIT_ASSERT_EQUAL(0U, group(options).starting);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolLimitsTest);

}  // namespace Passenger
