#include "pool/Room.h"

#include <cppunit/extensions/HelperMacros.h>

#include "support/GroupParts.h"
#include "support/ScaledApplication.h"

namespace Passenger {

using std::chrono::seconds;

class RoomTest : public GroupParts {
    CPPUNIT_TEST_SUITE(RoomTest);
    CPPUNIT_TEST(testAnApplicationIsAdmittedBelowTheLimit);
    CPPUNIT_TEST(testAnIdleInstanceOfAnotherApplicationEndsForARequest);
    CPPUNIT_TEST(testRoomThatCameStartsTheInstanceThatWasWished);
    CPPUNIT_TEST(testALoweredLimitEndsIdleInstances);
    CPPUNIT_TEST(testOneReplacementMayExceedTheLimit);
    CPPUNIT_TEST(testAWishForTheMinimumIsNoRequestThatWaits);
    CPPUNIT_TEST(testALookGoesThroughApplicationsWithInstancesOnly);
    CPPUNIT_TEST_SUITE_END();

    std::optional<Room> room_;
    std::optional<ScaledApplication> shop_;
    std::optional<ScaledApplication> blog_;

    /** An idle instance of the shop fills the pool, and the blog has a request. @return that
     *  instance */
    ProcessPtr fillAndRequest() REQUIRES(poolLock) {
        shop_->request();
        ProcessPtr idle = shop_->serve();
        clock_.advance(seconds(5));
        blog_->request();
        blog_->scaler.rescale();
        return idle;
    }

public:
    void setUp() override {
        GroupParts::setUp();
        options_.minInstances = 0;
        settings_.maxSize = 1;
        room_.emplace(settings_, context_->orphans, cpu_);
        // No start ends before the test does.
        factory_->hold();
        const PoolGuard guard(*context_);
        shop_.emplace(*context_, *room_, "shop", 1, options_);
        blog_.emplace(*context_, *room_, "blog", 2, options_);
    }
    void tearDown() override {
        factory_->release();
        blog_.reset();
        shop_.reset();
        room_.reset();
        GroupParts::tearDown();
    }

    void testAnApplicationIsAdmittedBelowTheLimit() {
        const PoolGuard guard(*context_);
        shop_->request();
        CPPUNIT_ASSERT(room_->admit(shop_->scaler, now()));
        room_->satisfied(shop_->scaler);
        shop_->serve();
        CPPUNIT_ASSERT_EQUAL(1U, room_->size());
        CPPUNIT_ASSERT(!room_->isFree());
        CPPUNIT_ASSERT(!room_->hasWish(shop_->scaler));
    }

    void testAnIdleInstanceOfAnotherApplicationEndsForARequest() {
        const PoolGuard guard(*context_);
        const ProcessPtr idle = fillAndRequest();
        CPPUNIT_ASSERT_MESSAGE("The other instance still lives", blog_->spawns.none());
        CPPUNIT_ASSERT(idle->state() == Process::State::DRAINING);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, shop_->counters.evicted);
        CPPUNIT_ASSERT(room_->hasWish(blog_->scaler));
    }

    void testRoomThatCameStartsTheInstanceThatWasWished() {
        const PoolGuard guard(*context_);
        const ProcessPtr idle = fillAndRequest();
        CPPUNIT_ASSERT(blog_->spawns.none());
        shop_->end(idle);
        room_->mayHaveCome();
        CPPUNIT_ASSERT_EQUAL(1U, blog_->spawns.starting());
        CPPUNIT_ASSERT_EQUAL(0U, room_->waiting());
    }

    void testALoweredLimitEndsIdleInstances() {
        const PoolGuard guard(*context_);
        settings_.maxSize = 2;
        const ProcessPtr one = shop_->serve();
        const ProcessPtr other = blog_->serve();
        room_->trim();
        CPPUNIT_ASSERT_EQUAL(0U, shop_->instances.draining() + blog_->instances.draining());
        settings_.maxSize = 1;
        room_->trim();
        CPPUNIT_ASSERT_EQUAL(1U, shop_->instances.draining() + blog_->instances.draining());
    }

    void testOneReplacementMayExceedTheLimit() {
        const PoolGuard guard(*context_);
        shop_->request();
        blog_->request();
        shop_->serve()->lifecycle().fallDue("it is old");
        shop_->scaler.rescale();
        CPPUNIT_ASSERT_EQUAL(2U, room_->size());
        CPPUNIT_ASSERT_MESSAGE("One at a time", room_->admitReplacement(blog_->scaler, MemoryAdmission::Start::REPLACE,
                                                                        now()) == MemoryRoom::Verdict::WAIT);
        CPPUNIT_ASSERT(room_->hasWish(blog_->scaler));
        room_->withdrawReplacement(blog_->scaler);
        CPPUNIT_ASSERT(!room_->hasWish(blog_->scaler));
    }

    void testAWishForTheMinimumIsNoRequestThatWaits() {
        const PoolGuard guard(*context_);
        blog_->options.minInstances = 1;
        fillAndRequest();
        CPPUNIT_ASSERT_EQUAL(1U, room_->waiting());
        // The child that has asked for the queue sends no request.
        clock_.advance(seconds(2));
        blog_->demand.look(now());
        CPPUNIT_ASSERT(!room_->admit(blog_->scaler, now()));
        CPPUNIT_ASSERT(room_->hasWish(blog_->scaler));
        CPPUNIT_ASSERT_EQUAL(0U, room_->waiting());
    }

    void testALookGoesThroughApplicationsWithInstancesOnly() {
        const PoolGuard guard(*context_);
        const ProcessPtr idle = fillAndRequest();
        CPPUNIT_ASSERT_MESSAGE("The blog waits", room_->hasWish(blog_->scaler));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, room_->occupants());
        shop_->end(idle);
        shop_->scaler.rescale();
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, room_->occupants());
        room_->mayHaveCome();
        CPPUNIT_ASSERT_EQUAL(1U, blog_->spawns.starting());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, room_->occupants());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RoomTest);

}  // namespace Passenger
