#include "commands/AppOrder.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>
#include <vector>

#include "control/InstanceFigures.h"
#include "control/Uptime.h"
#include "support/SmallStatus.h"

namespace Passenger {

class AppOrderTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(AppOrderTest);
    CPPUNIT_TEST(testProcessorsAreSummedOverTheInstances);
    CPPUNIT_TEST(testTheProcessorTimeBeforeATakeOverCountsWithTheTimeBeforeIt);
    CPPUNIT_TEST(testApplicationsAreOrderedByEachKey);
    CPPUNIT_TEST(testAnUptimeHasDaysToSeconds);
    CPPUNIT_TEST_SUITE_END();

    static std::string orderBy(const char *key) {
        std::vector<AppStatus> apps(3);
        apps[0].name = "c";
        apps[0].queue.waiting = 5;
        apps[0].windows = {{60, 6, {}, {}}};
        apps[1].name = "a";
        apps[1].instances.resize(1);
        apps[1].instances[0].memory = 1000;
        apps[1].instances[0].age = 10;
        apps[2].name = "b";
        apps[2].instances.resize(1);
        apps[2].instances[0].memory = 10;
        apps[2].instances[0].cpuTime = 5;
        apps[2].instances[0].processAge = 10;
        sortApps(apps, key);
        return apps[0].name + apps[1].name + apps[2].name;
    }

public:
    void testProcessorsAreSummedOverTheInstances() {
        AppStatus app = smallStatus().apps[0];
        app.instances.push_back(app.instances[0]);
        CPPUNIT_ASSERT_EQUAL(20U, cpuOf(app));
    }

    void testTheProcessorTimeBeforeATakeOverCountsWithTheTimeBeforeIt() {
        InstanceStatus instance;
        instance.adopted = true;
        instance.age = 5;
        instance.cpuTime = 100;
        instance.processAge = 1000;
        CPPUNIT_ASSERT_EQUAL(10U, cpuPercent(instance));
    }

    void testApplicationsAreOrderedByEachKey() {
        CPPUNIT_ASSERT_EQUAL(std::string("abc"), orderBy("name"));
        CPPUNIT_ASSERT_EQUAL(std::string("cab"), orderBy("requests"));
        CPPUNIT_ASSERT_EQUAL(std::string("cab"), orderBy("queue"));
        CPPUNIT_ASSERT_EQUAL(std::string("abc"), orderBy("memory"));
        CPPUNIT_ASSERT_EQUAL(std::string("bac"), orderBy("cpu"));
    }

    void testAnUptimeHasDaysToSeconds() {
        CPPUNIT_ASSERT_EQUAL(std::string("1m 0s"), uptimeText(60));
        CPPUNIT_ASSERT_EQUAL(std::string("1d 0h 0m 1s"), uptimeText(86'401.9));
        CPPUNIT_ASSERT_EQUAL(std::string("0s"), uptimeText(-3));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(AppOrderTest);

}  // namespace Passenger
