#include "control/ServerStatus.h"

#include <cppunit/extensions/HelperMacros.h>

#include <cstdint>

#include "base/Exceptions.h"
#include "base/LogHistogram.h"

namespace Passenger {

class ServerStatusTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ServerStatusTest);
    CPPUNIT_TEST(testAStatusIsTheSameAfterItsWayAsJson);
    CPPUNIT_TEST(testUnknownAndMissingKeysAreNoErrors);
    CPPUNIT_TEST(testMalformedTextIsRefused);
    CPPUNIT_TEST(testAllBucketsButTheLastHaveABound);
    CPPUNIT_TEST_SUITE_END();

public:
    void testAStatusIsTheSameAfterItsWayAsJson() {
        ServerStatus status;
        status.version = "0.1.0";
        status.now = 1.5;
        status.poolPid = 7;
        AppStatus &app = status.apps.emplace_back();
        app.name = "a \"quoted\" \xff name";
        app.instances.emplace_back().pid = 8;
        app.instances[0].processed = UINT64_MAX;
        app.instances[0].lastUsed = 1.25;
        app.counters.requests = 1ULL << 40;
        app.queueTime = {{1, 2, 3}, 0.25};
        app.windows.push_back({60, 5, {0.1, 0.2, 0.3}, {1, 2, 3}});
        app.points.push_back({1, 900, 4, {}, {}});
        app.failure = FailureStatus{"12", "it failed", "mend it", 3};
        app.events.push_back({2, "instance.started", "pid=8"});

        const std::string text = toJson(status);
        const ServerStatus read = statusFromJson(text);
        CPPUNIT_ASSERT_EQUAL(text, toJson(read));
        CPPUNIT_ASSERT_EQUAL(std::string("a \"quoted\" \xef\xbf\xbd name"), read.apps[0].name);
        CPPUNIT_ASSERT_EQUAL(1ULL << 40, static_cast<unsigned long long>(read.apps[0].counters.requests));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{UINT64_MAX}, read.apps[0].instances[0].processed);
        CPPUNIT_ASSERT_EQUAL(1.25, read.apps[0].instances[0].lastUsed);
        CPPUNIT_ASSERT_EQUAL(std::string("mend it"), read.apps[0].failure->remedy);
        CPPUNIT_ASSERT_EQUAL(0.3, read.apps[0].windows[0].queue.p99);
    }

    void testUnknownAndMissingKeysAreNoErrors() {
        const ServerStatus status = statusFromJson(R"({"news": 1, "apps": [{"name": "a", "failure": null}]})");
        CPPUNIT_ASSERT_EQUAL(std::string("a"), status.apps.at(0).name);
        CPPUNIT_ASSERT(!status.apps[0].failure);
    }

    void testMalformedTextIsRefused() {
        for (const char *text : {"", "{", "[]x", R"({"apps": 5})", R"({"pool_pid": "x"})"}) {
            CPPUNIT_ASSERT_THROW_MESSAGE(text, statusFromJson(text), ProtocolException);
        }
    }

    void testAllBucketsButTheLastHaveABound() {
        const auto bounds = histogramBounds();
        CPPUNIT_ASSERT_EQUAL(LogHistogram::BUCKETS - 1, bounds.size());
        CPPUNIT_ASSERT_EQUAL(0.000001, bounds.front());
        CPPUNIT_ASSERT_EQUAL(0.001024, bounds[LogHistogram::bucket(std::chrono::microseconds(1000))]);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ServerStatusTest);

}  // namespace Passenger
