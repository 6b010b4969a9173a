#include "commands/Sizing.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>

namespace Passenger {

class SizingTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(SizingTest);
    CPPUNIT_TEST(testTheExampleOfTheDocumentIsTrue);
    CPPUNIT_TEST(testCoresBoundThePoolWhereMemorySuffices);
    CPPUNIT_TEST(testMemoryBoundsThePool);
    CPPUNIT_TEST(testThreadsOfAnInstanceCountAsInstances);
    CPPUNIT_TEST(testEachApplicationHasAnInstance);
    CPPUNIT_TEST(testATooSmallMemoryIsTold);
    CPPUNIT_TEST(testQueuesAreSevenEighthsOfTheWorkers);
    CPPUNIT_TEST(testTheLargestApplicationDecides);
    CPPUNIT_TEST(testEmptyValuesGiveTheLeast);
    CPPUNIT_TEST_SUITE_END();

    static constexpr std::uint64_t MEGABYTE = 1024 * 1024;

    static SizingMachine machine(std::uint64_t megabytes, unsigned cores) {
        return {megabytes * MEGABYTE, cores, 0, 0};
    }

    static SizingApp app(std::uint64_t megabytes, unsigned concurrency = 1, unsigned queueLimit = 100) {
        return {"/srv/blog (production)", 1, megabytes * MEGABYTE, concurrency, queueLimit};
    }

    static void expectIn(const std::string &text, const std::string &part) {
        CPPUNIT_ASSERT_MESSAGE(text, text.find(part) != std::string::npos);
    }

public:
    // doc/SIZING.md, "A worked example".
    void testTheExampleOfTheDocumentIsTrue() {
        const Sizing sizing(machine(2048, 2), {app(150)});
        CPPUNIT_ASSERT_EQUAL(8U, sizing.poolByCores());
        CPPUNIT_ASSERT_EQUAL(9U, sizing.poolByMemory());
        CPPUNIT_ASSERT_EQUAL(8U, sizing.maxPoolSize());
        CPPUNIT_ASSERT_EQUAL(150U, sizing.maxRequestWorkers());
        const std::string text = sizingForm(sizing, 6);
        expectIn(text, "Memory 2048 MB, 2 cores\n");
        expectIn(text, "PassengerMaxPoolSize 8    (now 6)\n");
        expectIn(text, "  9 instances fit into 1601 MB, at 150 MB each");
        expectIn(text, "MaxRequestWorkers 150\n");
    }

    void testCoresBoundThePoolWhereMemorySuffices() {
        CPPUNIT_ASSERT_EQUAL(64U, Sizing(machine(64000, 16), {app(100)}).maxPoolSize());
    }

    void testMemoryBoundsThePool() {
        const Sizing sizing(machine(1000, 16), {app(100)});
        // 64 instances would need 200 threads of a quarter of a MB: 1000 - 200 in reserve - 50.
        CPPUNIT_ASSERT_EQUAL(750 * MEGABYTE, sizing.room());
        CPPUNIT_ASSERT_EQUAL(6U, sizing.maxPoolSize());
        SizingMachine shared = machine(1000, 16);
        shared.others = 200 * MEGABYTE;
        shared.shared = 150 * MEGABYTE;
        CPPUNIT_ASSERT_EQUAL(3U, Sizing(shared, {app(100)}).maxPoolSize());
    }

    void testThreadsOfAnInstanceCountAsInstances() {
        CPPUNIT_ASSERT_EQUAL(8U, Sizing(machine(64000, 4), {app(100, 2)}).maxPoolSize());
        // Threads of a Ruby, Python or Node process compute one after the other.
        CPPUNIT_ASSERT_EQUAL(4U, Sizing(machine(64000, 4), {app(100, 32)}).maxPoolSize());
    }

    void testEachApplicationHasAnInstance() {
        CPPUNIT_ASSERT_EQUAL(5U, Sizing(machine(64000, 1), {app(9), app(9), app(9), app(9), app(9)}).maxPoolSize());
    }

    void testATooSmallMemoryIsTold() {
        const Sizing sizing(machine(512, 2), {app(300), app(10)});
        CPPUNIT_ASSERT_EQUAL(1U, sizing.maxPoolSize());
        CPPUNIT_ASSERT(!sizing.memorySuffices());
        expectIn(sizingForm(sizing, 0), "The memory is too small for 2 applications");
        CPPUNIT_ASSERT(Sizing(machine(2048, 2), {app(300), app(10)}).memorySuffices());
    }

    void testQueuesAreSevenEighthsOfTheWorkers() {
        const Sizing sizing(machine(64000, 4), {app(100, 32, 250)});
        CPPUNIT_ASSERT_EQUAL(128U, sizing.requestsInWork());
        CPPUNIT_ASSERT_EQUAL(250U, sizing.requestsWaiting());
        // (128 + 250) * 8 / 7 = 432, as children of 25 threads.
        CPPUNIT_ASSERT_EQUAL(450U, sizing.maxRequestWorkers());
        CPPUNIT_ASSERT_EQUAL(100U, Sizing(machine(64000, 4), {app(100, 1, 0)}).requestsWaiting());
        // The largest PassengerMaxRequestQueueSize.
        CPPUNIT_ASSERT(Sizing(machine(64000, 4), {app(100, 1, 2147483647)}).maxRequestWorkers() > 1000000);
    }

    void testTheLargestApplicationDecides() {
        CPPUNIT_ASSERT_EQUAL(200 * MEGABYTE, Sizing(machine(4096, 2), {app(0), app(200), app(50)}).largestInstance());
    }

    void testEmptyValuesGiveTheLeast() {
        const Sizing sizing({}, {SizingApp{}});
        CPPUNIT_ASSERT_EQUAL(1U, sizing.maxPoolSize());
        CPPUNIT_ASSERT_EQUAL(150U, sizing.maxRequestWorkers());
        expectIn(sizingJson(sizing, 0), "\"memory_suffices\": false");
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SizingTest);

}  // namespace Passenger
