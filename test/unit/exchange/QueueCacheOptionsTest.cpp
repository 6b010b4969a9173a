#include <cppunit/extensions/HelperMacros.h>

#include <cstdint>
#include <memory>

#include "exchange/QueueCache.h"
#include "support/CountingCache.h"
#include "support/LeakCheck.h"

namespace Passenger {

/** QueueCache: the agent learns other options of an application whose queue is known. */
class QueueCacheOptionsTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(QueueCacheOptionsTest);
    CPPUNIT_TEST(testTheAgentIsToldOfOtherOptionsOnce);
    CPPUNIT_TEST(testTheAgentIsToldAgainOfOptionsThatReplacedOthers);
    CPPUNIT_TEST(testTheAgentIsToldAgainIfItCouldNotBeTold);
    CPPUNIT_TEST_SUITE_END();

    std::unique_ptr<CountingCache> cache_;

    QueueLinkPtr linkWith(std::uint64_t settings) {
        Options options;
        options.request.settings = settings;
        return cache_->link(options, Generation());
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        cache_ = std::make_unique<CountingCache>();
    }

    void tearDown() override {
        cache_.reset();
        LeakCheck::tearDown();
    }

    void testTheAgentIsToldOfOtherOptionsOnce() {
        const QueueLinkPtr first = linkWith(0);
        CPPUNIT_ASSERT(linkWith(7) == first);
        CPPUNIT_ASSERT_EQUAL(1U, cache_->told);
        linkWith(7);
        CPPUNIT_ASSERT_EQUAL(1U, cache_->told);
        CPPUNIT_ASSERT_EQUAL(1U, cache_->attached);
    }

    void testTheAgentIsToldAgainOfOptionsThatReplacedOthers() {
        linkWith(1);
        linkWith(2);
        CPPUNIT_ASSERT_EQUAL(1U, cache_->told);
        cache_->time.advance(ToldOptions::PAUSE);
        linkWith(1);
        CPPUNIT_ASSERT_EQUAL(2U, cache_->told);
    }

    void testTheAgentIsToldAgainIfItCouldNotBeTold() {
        const QueueLinkPtr first = linkWith(0);
        cache_->reachable = false;
        CPPUNIT_ASSERT(linkWith(7) == first);
        CPPUNIT_ASSERT_EQUAL(1U, cache_->told);
        cache_->reachable = true;
        cache_->time.advance(ToldOptions::PAUSE);
        linkWith(7);
        CPPUNIT_ASSERT_EQUAL(2U, cache_->told);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(QueueCacheOptionsTest);

}  // namespace Passenger
