#include "pool/Waiters.h"

#include <cppunit/extensions/HelperMacros.h>

#include <vector>

namespace Passenger {

using namespace std::chrono_literals;

class WaitersTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(WaitersTest);
    CPPUNIT_TEST(testTheHeadIsWhoCameFirst);
    CPPUNIT_TEST(testAnOfferEndsWithTheFirstWhoGetsNothing);
    CPPUNIT_TEST(testWhoDeclinesIsPassedAndKeepsItsPlace);
    CPPUNIT_TEST(testOneCanBeTakenOutOfTheMiddle);
    CPPUNIT_TEST(testWhoIsGoneCannotBeTakenOutAgain);
    CPPUNIT_TEST(testWhoseTimeIsUpIsTakenOutWhereverItStands);
    CPPUNIT_TEST(testTheNextDeadlineIsTheEarliest);
    CPPUNIT_TEST(testAllCanBeTakenOut);
    CPPUNIT_TEST(testWhoWantsAnInstanceThatServesNeedsNoOther);
    CPPUNIT_TEST_SUITE_END();

    using Ids = std::vector<std::uint64_t>;

    Waiters waiters_;

    static MonotonicTime at(std::chrono::seconds time) {
        return MonotonicTime(1h + time);
    }
    void add(std::uint64_t id, std::optional<MonotonicTime> deadline = std::nullopt, std::uint32_t stickyId = 0) {
        Waiter waiter;
        waiter.id = id;
        waiter.since = at(std::chrono::seconds(id));
        waiter.deadline = deadline;
        waiter.stickyId = stickyId;
        waiters_.add(std::move(waiter));
    }
    static Ids idsOf(const std::list<Waiter> &waiters) {
        Ids ids;
        for (const Waiter &waiter : waiters) {
            ids.push_back(waiter.id);
        }
        return ids;
    }
    Ids rest() {
        return idsOf(waiters_.removeAll());
    }

public:
    void testTheHeadIsWhoCameFirst() {
        CPPUNIT_ASSERT(waiters_.empty());
        add(1);
        add(2);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, waiters_.head().id);
        CPPUNIT_ASSERT_EQUAL(2U, waiters_.size());
    }

    void testAnOfferEndsWithTheFirstWhoGetsNothing() {
        add(1);
        add(2);
        add(3);
        Ids offered;
        waiters_.offer([&](Waiter &waiter) -> std::optional<bool> {
            offered.push_back(waiter.id);
            return waiter.id == 1 ? std::optional(true) : std::nullopt;
        });
        CPPUNIT_ASSERT((offered == Ids{1, 2}));
        CPPUNIT_ASSERT((rest() == Ids{2, 3}));
    }

    void testWhoDeclinesIsPassedAndKeepsItsPlace() {
        add(1);
        add(2);
        add(3);
        waiters_.offer([](Waiter &waiter) { return std::optional(waiter.id == 2); });
        CPPUNIT_ASSERT((rest() == Ids{1, 3}));
    }

    void testOneCanBeTakenOutOfTheMiddle() {
        add(1);
        add(2);
        add(3);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, waiters_.remove(2)->id);
        CPPUNIT_ASSERT((rest() == Ids{1, 3}));
    }

    void testWhoIsGoneCannotBeTakenOutAgain() {
        add(1);
        CPPUNIT_ASSERT(waiters_.remove(1));
        CPPUNIT_ASSERT(!waiters_.remove(1));
    }

    void testWhoseTimeIsUpIsTakenOutWhereverItStands() {
        add(1);
        add(2, at(5s));
        add(3, at(9s));
        add(4, at(3s));
        CPPUNIT_ASSERT((idsOf(waiters_.expire(at(5s))) == Ids{2, 4}));
        CPPUNIT_ASSERT((rest() == Ids{1, 3}));
    }

    void testTheNextDeadlineIsTheEarliest() {
        CPPUNIT_ASSERT(!waiters_.nextDeadline());
        add(1);
        CPPUNIT_ASSERT(!waiters_.nextDeadline());
        add(2, at(9s));
        add(3, at(5s));
        CPPUNIT_ASSERT(waiters_.nextDeadline() == at(5s));
        waiters_.expire(at(5s));
        CPPUNIT_ASSERT(waiters_.nextDeadline() == at(9s));
    }

    void testAllCanBeTakenOut() {
        add(1);
        add(2);
        CPPUNIT_ASSERT((rest() == Ids{1, 2}));
        CPPUNIT_ASSERT(waiters_.empty());
    }

    void testWhoWantsAnInstanceThatServesNeedsNoOther() {
        const auto serves = [](std::uint32_t stickyId) { return stickyId == 7; };
        CPPUNIT_ASSERT(!waiters_.demand(serves).since);
        add(1, std::nullopt, 7);
        CPPUNIT_ASSERT_EQUAL(0U, waiters_.demand(serves).count);
        CPPUNIT_ASSERT(!waiters_.demand(serves).since);
        add(2, std::nullopt, 8);
        add(3);
        CPPUNIT_ASSERT_EQUAL(2U, waiters_.demand(serves).count);
        CPPUNIT_ASSERT(waiters_.demand(serves).since == at(2s));
        waiters_.remove(1);
        waiters_.remove(2);
        CPPUNIT_ASSERT_EQUAL(1U, waiters_.demand(serves).count);
        CPPUNIT_ASSERT(waiters_.demand(serves).since == at(3s));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(WaitersTest);

}  // namespace Passenger
