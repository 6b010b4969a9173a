#include "shm/GenerationTable.h"

#include <cppunit/extensions/HelperMacros.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <future>

#include "shm/GenerationTableView.h"
#include "support/Eventually.h"
#include "support/LeakCheck.h"

namespace Passenger {

class GenerationTableTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(GenerationTableTest);
    CPPUNIT_TEST(testAnUnusedSlotMakesTheChildAskTheAgent);
    CPPUNIT_TEST(testAPublishedGenerationIsSeenAtOnce);
    CPPUNIT_TEST(testSlotsAreIndependent);
    CPPUNIT_TEST(testTheChildSlotsInUseAreSeen);
    CPPUNIT_TEST(testChildrenCannotWriteTheTable);
    CPPUNIT_TEST(testAChildThatWaitsForAShortageIsWoken);
    CPPUNIT_TEST(testAShortageBeforeTheWaitEndsItAtOnce);
    CPPUNIT_TEST(testAWaitOfLessThanASecondLasts);
    CPPUNIT_TEST_SUITE_END();

public:
    void testAnUnusedSlotMakesTheChildAskTheAgent() {
        const GenerationTable table;
        const GenerationTableView view(table.memory().readOnlyDescriptor());
        CPPUNIT_ASSERT(!view.generation(0));
        CPPUNIT_ASSERT_EQUAL(0U, view.instances(0).capacity);
        CPPUNIT_ASSERT_EQUAL(0U, view.childSlots());
    }

    void testAPublishedGenerationIsSeenAtOnce() {
        GenerationTable table;
        const GenerationTableView view(table.memory().readOnlyDescriptor());
        table.publish(3, Generation(8), {12, 20, 3, 4});
        CPPUNIT_ASSERT(view.generation(3) == Generation(8));
        CPPUNIT_ASSERT((view.instances(3) == InstanceCounts{12, 20, 3, 4}));
        table.publishPause(3, MonotonicTime::max());
        CPPUNIT_ASSERT(view.pausedUntil(3) == MonotonicTime::max());
        table.publish(3, Generation(), {});
        CPPUNIT_ASSERT(!view.generation(3));
    }

    void testSlotsAreIndependent() {
        GenerationTable table;
        const GenerationTableView view(table.memory().readOnlyDescriptor());
        table.publish(GenerationLayout::GROUPS - 1, Generation(8), {});
        table.publish(0, Generation(9), {});
        CPPUNIT_ASSERT(view.generation(GenerationLayout::GROUPS - 1) == Generation(8));
        CPPUNIT_ASSERT(view.generation(0) == Generation(9));
        CPPUNIT_ASSERT(!view.generation(1));
    }

    void testTheChildSlotsInUseAreSeen() {
        GenerationTable table;
        const GenerationTableView view(table.memory().readOnlyDescriptor());
        table.setChildSlots(17);
        CPPUNIT_ASSERT_EQUAL(17U, view.childSlots());
    }

    void testChildrenCannotWriteTheTable() {
        const GenerationTable table;
        const FileDescriptor readOnly = table.memory().readOnlyDescriptor();
        CPPUNIT_ASSERT_EQUAL(ssize_t{-1}, ::pwrite(readOnly.get(), "x", 1, 64));
    }

    void testAChildThatWaitsForAShortageIsWoken() {
        GenerationTable table;
        const GenerationTableView view(table.memory().readOnlyDescriptor());
        std::atomic<bool> waits{false};
        auto child = std::async(std::launch::async, [&] {
            const auto begin = std::chrono::steady_clock::now();
            waits = true;
            while (view.shortages() == 0) {
                view.awaitShortage(0, std::chrono::minutes(10));
            }
            return std::chrono::steady_clock::now() - begin;
        });
        CPPUNIT_ASSERT(eventually([&] { return waits.load(); }));
        table.askForIdleChannels();
        CPPUNIT_ASSERT(child.get() < std::chrono::minutes(5));
        CPPUNIT_ASSERT_EQUAL(1U, view.shortages());
    }

    void testAShortageBeforeTheWaitEndsItAtOnce() {
        GenerationTable table;
        const GenerationTableView view(table.memory().readOnlyDescriptor());
        table.askForIdleChannels();
        const auto begin = std::chrono::steady_clock::now();
        view.awaitShortage(0, std::chrono::minutes(10));
        CPPUNIT_ASSERT(std::chrono::steady_clock::now() - begin < std::chrono::minutes(5));
    }

    void testAWaitOfLessThanASecondLasts() {
        const GenerationTable table;
        const GenerationTableView view(table.memory().readOnlyDescriptor());
        const auto begin = std::chrono::steady_clock::now();
        view.awaitShortage(0, std::chrono::milliseconds(50));
        CPPUNIT_ASSERT(std::chrono::steady_clock::now() - begin >= std::chrono::milliseconds(50));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(GenerationTableTest);

}  // namespace Passenger
