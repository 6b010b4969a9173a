#include "commands/BalancerWeight.h"

#include <cppunit/extensions/HelperMacros.h>

#include <cstdint>
#include <utility>
#include <vector>

namespace Passenger {

class BalancerWeightTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(BalancerWeightTest);
    CPPUNIT_TEST(testAHostWithHalfOfItsTimeLeftHasAllOfTheWeight);
    CPPUNIT_TEST(testTheWeightFallsToTheHalfAsInstancesBecomeBusy);
    CPPUNIT_TEST(testInstancesThatCanBeStartedAreFree);
    CPPUNIT_TEST(testBusyProcessorsCountAsBusyInstances);
    CPPUNIT_TEST(testAWaitDividesTheWeight);
    CPPUNIT_TEST(testTheApplicationWithTheLeastRoomDecides);
    CPPUNIT_TEST(testTheLeastWeightIsNotZero);
    CPPUNIT_TEST(testProcessorUseIsThePartThatIsNotIdle);
    CPPUNIT_TEST(testAWaitForDisksThatFallsIsNoIdleTime);
    CPPUNIT_TEST_SUITE_END();

    /** So many of the application's instances, all there can be, are busy. */
    static AppStatus app(unsigned busy, unsigned instances) {
        AppStatus result;
        result.maxInstances = instances;
        for (unsigned i = 0; i < instances; i++) {
            InstanceStatus instance;
            instance.state = "serving";
            instance.concurrency = 1;
            instance.sessions = i < busy ? 1 : 0;
            result.instances.push_back(instance);
        }
        return result;
    }

    static ServerStatus server(std::vector<AppStatus> apps) {
        ServerStatus result;
        result.maxPoolSize = 6;
        for (const AppStatus &one : apps) {
            result.poolSize += static_cast<unsigned>(one.instances.size());
        }
        result.apps = std::move(apps);
        return result;
    }

    static AppStatus waiting(double seconds) {
        AppStatus result = app(4, 4);
        result.queue.waiting = 1;
        result.queue.oldest = seconds;
        return result;
    }

    static ProcessorTimes times(std::uint64_t user, std::uint64_t idle, std::uint64_t wait = 0) {
        ProcessorTimes result;
        result.idle = idle;
        result.wait = wait;
        result.all = user + idle + wait;
        return result;
    }

public:
    void testAHostWithHalfOfItsTimeLeftHasAllOfTheWeight() {
        CPPUNIT_ASSERT_EQUAL(100U, balancerWeight(server({}), 0));
        CPPUNIT_ASSERT_EQUAL(100U, balancerWeight(server({app(0, 4)}), 0));
        CPPUNIT_ASSERT_EQUAL(100U, balancerWeight(server({app(2, 4)}), 0.5));
    }

    void testTheWeightFallsToTheHalfAsInstancesBecomeBusy() {
        CPPUNIT_ASSERT_EQUAL(75U, balancerWeight(server({app(3, 4)}), 0));
        CPPUNIT_ASSERT_EQUAL(50U, balancerWeight(server({app(4, 4)}), 0));
    }

    void testInstancesThatCanBeStartedAreFree() {
        AppStatus growing = app(2, 2);
        growing.maxInstances = 0;
        CPPUNIT_ASSERT_EQUAL(100U, balancerWeight(server({growing}), 0));
        growing.maxInstances = 3;
        CPPUNIT_ASSERT_EQUAL(85U, balancerWeight(server({growing}), 0));
        growing.starting = 1;
        CPPUNIT_ASSERT_EQUAL(50U, balancerWeight(server({growing}), 0));
    }

    void testBusyProcessorsCountAsBusyInstances() {
        CPPUNIT_ASSERT_EQUAL(75U, balancerWeight(server({app(1, 4)}), 0.75));
        CPPUNIT_ASSERT_EQUAL(50U, balancerWeight(server({app(1, 4)}), 1));
    }

    void testAWaitDividesTheWeight() {
        CPPUNIT_ASSERT_EQUAL(25U, balancerWeight(server({waiting(0.2)}), 0));
        CPPUNIT_ASSERT_EQUAL(5U, balancerWeight(server({waiting(1.8)}), 0));
    }

    void testTheApplicationWithTheLeastRoomDecides() {
        CPPUNIT_ASSERT_EQUAL(25U, balancerWeight(server({app(0, 1), waiting(0.2), app(0, 1)}), 0));
    }

    void testTheLeastWeightIsNotZero() { CPPUNIT_ASSERT_EQUAL(5U, balancerWeight(server({waiting(3600)}), 1)); }

    void testAWaitForDisksThatFallsIsNoIdleTime() {
        const ProcessorTimes before = times(100, 100, 1);
        CPPUNIT_ASSERT_EQUAL(1.0, processorUse(before, times(200, 100)));
        CPPUNIT_ASSERT_EQUAL(0.0, processorUse(before, times(100, 100)));
    }

    void testProcessorUseIsThePartThatIsNotIdle() {
        CPPUNIT_ASSERT_DOUBLES_EQUAL(0.25, processorUse(times(100, 100), times(125, 175)), 1e-9);
        CPPUNIT_ASSERT_DOUBLES_EQUAL(0, processorUse(times(1, 1), times(1, 1)), 0);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(BalancerWeightTest);

}  // namespace Passenger
