// Pool: requests that only wait, as event streams and long polls do, while other applications want
// room.

#include <cppunit/extensions/HelperMacros.h>

#include "support/PoolContract.h"

namespace Passenger {

using namespace std::chrono_literals;

class PoolWaitingTest : public PoolContract {
    CPPUNIT_TEST_SUITE(PoolWaitingTest);
    CPPUNIT_TEST(testAnotherApplicationIsServedWhileTheRequestsOfAnEndingInstanceWait);
    CPPUNIT_TEST(testAnEndingInstanceThatComputesCountsUntilItHasEnded);
    CPPUNIT_TEST(testOnlyAPartOfThePoolIsTakenTwice);
    CPPUNIT_TEST(testWaitingRequestsProtectNoInstanceAndWinNoRoom);
    CPPUNIT_TEST(testApplicationsBesideStreamsTakeTurnsInOnePlace);
    CPPUNIT_TEST_SUITE_END();

    const Options blog_ = app("/srv/blog");
    const Options shop_ = app("/srv/shop");
    const Options wiki_ = app("/srv/wiki");
    std::vector<HeldPtr> streams_;

    void fill(unsigned max) {
        setMax(max);
        for (unsigned i = 0; i < max; i++) {
            streams_.push_back(get(blog_));
        }
        clock_.advance(2s);
    }
    std::size_t draining() const { return instancesThat(Process::State::DRAINING, blog_).size(); }
    /** For longer than it takes to see that an instance only waits. */
    void passALot() { advance(5s, 100ms); }

public:
    void tearDown() override {
        streams_.clear();
        PoolContract::tearDown();
    }

    void testAnotherApplicationIsServedWhileTheRequestsOfAnEndingInstanceWait() {
        cpu_.nothingUsed = true;
        fill(3);
        const AnswerPtr waiter = ask(shop_);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, draining());
        advance(900ms, 100ms);
        CPPUNIT_ASSERT(!waiter->here());
        advance(200ms, 100ms);
        CPPUNIT_ASSERT(waiter->comes());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, draining());
        CPPUNIT_ASSERT_EQUAL(4U, count());
        streams_.clear();
        CPPUNIT_ASSERT(eventuallyCount(3));
    }

    void testAnEndingInstanceThatComputesCountsUntilItHasEnded() {
        fill(3);
        const AnswerPtr waiter = ask(shop_);
        passALot();
        CPPUNIT_ASSERT(!waiter->here());
        CPPUNIT_ASSERT_EQUAL(3U, count());
        streams_.clear();
        CPPUNIT_ASSERT(waiter->comes());
    }

    void testOnlyAPartOfThePoolIsTakenTwice() {
        cpu_.nothingUsed = true;
        fill(3);
        const AnswerPtr first = ask(shop_);
        passALot();
        CPPUNIT_ASSERT(first->comes());
        const HeldPtr held = first->session();
        const AnswerPtr second = ask(wiki_);
        passALot();
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, draining());
        CPPUNIT_ASSERT(!second->here());
        CPPUNIT_ASSERT_EQUAL(4U, count());
        streams_.clear();
        CPPUNIT_ASSERT(second->comes());
    }

    void testWaitingRequestsProtectNoInstanceAndWinNoRoom() {
        cpu_.nothingUsed = true;
        fill(1);
        const AnswerPtr stream = ask(blog_);
        clock_.advance(1ms);
        const AnswerPtr waiter = ask(shop_);
        passALot();
        CPPUNIT_ASSERT(waiter->comes());
        waiter->session().reset();
        const AnswerPtr next = ask(shop_);
        passALot();
        CPPUNIT_ASSERT(next->comes());
        CPPUNIT_ASSERT(!stream->here());
        next->session().reset();
        streams_.clear();
        passALot();
        CPPUNIT_ASSERT(stream->comes());
    }

    void testApplicationsBesideStreamsTakeTurnsInOnePlace() {
        cpu_.nothingUsed = true;
        fill(4);
        const AnswerPtr stream = ask(blog_);
        clock_.advance(1ms);
        for (const Options &each : {shop_, wiki_, shop_}) {
            const AnswerPtr guest = ask(each);
            passALot();
            CPPUNIT_ASSERT_MESSAGE(each.appRoot, guest->comes());
            guest->session().reset();
        }
        CPPUNIT_ASSERT(!stream->here());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolWaitingTest);

}  // namespace Passenger
