#include "pool/SenderEvents.h"

#include <cppunit/extensions/HelperMacros.h>

#include <optional>
#include <thread>

#include "support/Eventually.h"
#include "support/GroupParts.h"

namespace Passenger {

using namespace std::chrono_literals;

class SenderEventsTest : public GroupParts {
    CPPUNIT_TEST_SUITE(SenderEventsTest);
    CPPUNIT_TEST(testTheCountsOfASenderThatEndsNeverMiss);
    CPPUNIT_TEST_SUITE_END();

    std::optional<Room> room_;
    std::optional<UpkeepTimer> timer_;
    std::optional<Groups> groups_;

public:
    void setUp() override {
        GroupParts::setUp();
        const PoolGuard guard(*context_);
        room_.emplace(context_->settings, context_->orphans, cpu_);
        timer_.emplace(*context_, nullptr);
        groups_.emplace(*context_, *room_, *timer_, 1);
    }
    void tearDown() override {
        {
            const PoolGuard guard(*context_);
            groups_->all().front()->shutDown(true);
        }
        context_->threads.join();
        loop_->runSync([] {});
        groups_.reset();
        timer_.reset();
        room_.reset();
        GroupParts::tearDown();
    }

    void testTheCountsOfASenderThatEndsNeverMiss() {
        SenderEvents events(*context_, *groups_);
        std::jthread ending;
        {
            const PoolGuard guard(*context_);
            ApplicationQueue &queue = groups_->findOrMake(options_).queue();
            SenderMemoryView(queue.senders().memory().descriptor()).completed(0, 1s, 1s);
            ending = std::jthread([&events] { events.gone(0); });
            CPPUNIT_ASSERT(eventually([this] { return context_->wanted > 0; }));
            CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, queue.statistics().completed);
        }
        ending.join();
        const PoolGuard guard(*context_);
        CPPUNIT_ASSERT_EQUAL(0U, channels_->childSlots());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, groups_->all().front()->queue().statistics().completed);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SenderEventsTest);

}  // namespace Passenger
