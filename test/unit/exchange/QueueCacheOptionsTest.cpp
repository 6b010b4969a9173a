#include <cppunit/extensions/HelperMacros.h>

#include <cstdint>
#include <memory>

#include "exchange/QueueCache.h"
#include "support/CountingCache.h"
#include "support/Eventually.h"
#include "support/LeakCheck.h"

namespace Passenger {

/** QueueCache: the agent learns other options of an application whose queue is known. */
class QueueCacheOptionsTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(QueueCacheOptionsTest);
    CPPUNIT_TEST(testTheAgentIsToldOfOtherOptionsOnce);
    CPPUNIT_TEST(testTheAgentIsToldAgainOfOptionsThatReplacedOthers);
    CPPUNIT_TEST(testIfTheAgentRefusesOtherOptionsTheKnownQueueIsUsed);
    CPPUNIT_TEST(testTheAgentIsToldAgainIfItDidNotAnswer);
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
        CPPUNIT_ASSERT(linkWith(7)->generation == first->generation);
        CPPUNIT_ASSERT_EQUAL(2U, cache_->attached);
        linkWith(7);
        CPPUNIT_ASSERT_EQUAL(2U, cache_->attached);
    }

    void testTheAgentIsToldAgainOfOptionsThatReplacedOthers() {
        linkWith(1);
        linkWith(2);
        CPPUNIT_ASSERT_EQUAL(2U, cache_->attached);
        CPPUNIT_ASSERT(eventually([&] {
            linkWith(1);
            return cache_->attached == 3;
        }));
    }

    void testIfTheAgentRefusesOtherOptionsTheKnownQueueIsUsed() {
        const QueueLinkPtr first = linkWith(0);
        cache_->refusesOptions = true;
        CPPUNIT_ASSERT(linkWith(7) == first);
        cache_->next();
        CPPUNIT_ASSERT_THROW(linkWith(7), RefusedException);
    }

    void testTheAgentIsToldAgainIfItDidNotAnswer() {
        const QueueLinkPtr first = linkWith(0);
        cache_->isSilent = true;
        CPPUNIT_ASSERT(linkWith(7) == first);
        CPPUNIT_ASSERT_EQUAL(2U, cache_->attached);
        cache_->isSilent = false;
        CPPUNIT_ASSERT(eventually([&] {
            linkWith(7);
            return cache_->attached == 3;
        }));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(QueueCacheOptionsTest);

}  // namespace Passenger
