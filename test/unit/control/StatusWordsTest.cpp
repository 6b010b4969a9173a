#include "control/StatusWords.h"

#include <cppunit/extensions/HelperMacros.h>

#include "support/SampleStatus.h"

namespace Passenger {

using StatusWords::Weight;

class StatusWordsTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(StatusWordsTest);
    CPPUNIT_TEST(testDurationsHaveTheUnitThatFits);
    CPPUNIT_TEST(testBytesAndRatesAreShort);
    CPPUNIT_TEST(testAMomentIsInUtc);
    CPPUNIT_TEST(testANameInAQueryStringIsEncoded);
    CPPUNIT_TEST(testTheLoadIsTheSumOverInstances);
    CPPUNIT_TEST(testFailuresWeighMoreThanChanges);
    CPPUNIT_TEST_SUITE_END();

    static void shows(const char *expected, const std::string &actual) {
        CPPUNIT_ASSERT_EQUAL(std::string(expected), actual);
    }

public:
    void testDurationsHaveTheUnitThatFits() {
        shows("0 s", StatusWords::duration(0));
        shows("64 µs", StatusWords::duration(0.000'064));
        shows("3.4 ms", StatusWords::duration(0.003'4));
        shows("250 ms", StatusWords::duration(0.25));
        shows("1 s", StatusWords::duration(0.999'9));
        shows("2.5 s", StatusWords::duration(2.5));
        shows("45 s", StatusWords::duration(45));
        shows("2 min", StatusWords::duration(120));
        shows("2 min 5 s", StatusWords::duration(125));
        shows("12 min", StatusWords::duration(725));
        shows("2 h 5 min", StatusWords::duration(7500));
        shows("3 d", StatusWords::duration(3 * 86'400));
        shows("3 d 4 h", StatusWords::duration(76 * 3600));
    }

    void testBytesAndRatesAreShort() {
        shows("0 B", StatusWords::bytes(0));
        shows("100 MB", StatusWords::bytes(std::uint64_t{100} << 20));
        shows("1.5 GB", StatusWords::bytes(std::uint64_t{3} << 29));
        shows("0", StatusWords::rate(0));
        shows("0.25", StatusWords::rate(0.25));
        shows("3.2", StatusWords::rate(3.21));
        shows("1235", StatusWords::rate(1234.6));
        shows("1 request", StatusWords::counted(1, "request"));
        shows("0 requests", StatusWords::counted(0, "request"));
    }

    void testAMomentIsInUtc() { shows("2026-11-23 16:50:12 UTC", StatusWords::moment(1'795'452'612.9)); }

    void testANameInAQueryStringIsEncoded() {
        shows("/srv/blog%20%28production%29%26%22%C3%A9", StatusWords::urlEncoded("/srv/blog (production)&\"é"));
    }

    void testTheLoadIsTheSumOverInstances() {
        AppStatus app = sampleApp("/srv/blog");
        app.instances[1].state = "draining";
        app.instances[1].busyFor = 9;
        app.instances[1].sessions = 3;
        const StatusWords::Load load = StatusWords::loadOf(app);
        CPPUNIT_ASSERT_EQUAL(1U, load.serving);
        CPPUNIT_ASSERT_EQUAL(7U, load.slots);
        CPPUNIT_ASSERT_EQUAL(4U, load.busy);
        CPPUNIT_ASSERT_EQUAL(9.0, load.oldest);
        CPPUNIT_ASSERT_EQUAL(2.0, StatusWords::rateOf(app));
    }

    void testFailuresWeighMoreThanChanges() {
        AppStatus app = sampleApp("/srv/blog");
        CPPUNIT_ASSERT(Weight::NONE == StatusWords::weightOf(app));
        app.state = "deploying";
        CPPUNIT_ASSERT(Weight::NOTICE == StatusWords::weightOf(app));
        app.state = "deploy-waits";
        CPPUNIT_ASSERT(Weight::NOTICE == StatusWords::weightOf(app));
        CPPUNIT_ASSERT_EQUAL(std::string("up, the new version waits for its turn"), StatusWords::state(app));
        app.state = "deploy-failed";
        CPPUNIT_ASSERT_EQUAL(std::string("up, the new version failed"), StatusWords::state(app));
        app.queue.pausedFor = 120;
        CPPUNIT_ASSERT_EQUAL(std::string("paused for 2 min, the new version failed"), StatusWords::state(app));
        app.queue.pausedFor = 0;
        app.state = "failed";
        CPPUNIT_ASSERT(Weight::PROBLEM == StatusWords::weightOf(app));
        app.state = "serving";
        app.queue.waiting = app.queue.limit;
        CPPUNIT_ASSERT(Weight::PROBLEM == StatusWords::weightOf(app));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(StatusWordsTest);

}  // namespace Passenger
