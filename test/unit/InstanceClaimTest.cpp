#include "shm/InstanceClaim.h"

#include <cppunit/extensions/HelperMacros.h>

#include "shm/Claims.h"
#include "shm/SenderMemory.h"
#include "shm/SenderMemoryView.h"
#include "support/Expect.h"
#include "support/LeakCheck.h"

namespace Passenger {

class InstanceClaimTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(InstanceClaimTest);
    CPPUNIT_TEST(testATakenRequestIsInTheCellUntilItIsCleared);
    CPPUNIT_TEST(testAWithdrawnRequestDoesNotRunAndIsInTheCell);
    CPPUNIT_TEST(testARequestOfAnEarlierChannelOfTheSlotDoesNotRun);
    CPPUNIT_TEST(testTheClaimIsWrittenBeforeTheMarkIsRead);
    CPPUNIT_TEST_SUITE_END();

    static constexpr ChannelId CHANNEL{(5ULL << 16) | 17};
    static constexpr ChannelId NEXT_IN_SLOT{(6ULL << 16) | 17};
    static constexpr std::uint32_t CELL = 3;

    struct Group {
        Claims claims;
        SenderMemory senders;
        InstanceClaim claim{claims.memory().descriptor(), senders.memory().descriptor(), CELL};
    };

public:
    void testATakenRequestIsInTheCellUntilItIsCleared() {
        Group group;
        group.senders.reset(CHANNEL);
        CPPUNIT_ASSERT(group.claim.take(CHANNEL, Ticket(9)));
        CPPUNIT_ASSERT_EQUAL(CHANNEL.value(), group.claims.read(CELL)->channel);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{9}, group.claims.read(CELL)->ticket);
        group.claim.clear();
        CPPUNIT_ASSERT(!group.claims.read(CELL));
    }

    void testAWithdrawnRequestDoesNotRunAndIsInTheCell() {
        Group group;
        group.senders.reset(CHANNEL);
        SenderMemoryView(group.senders.memory().descriptor()).withdraw(CHANNEL, Ticket(9));
        CPPUNIT_ASSERT(!group.claim.take(CHANNEL, Ticket(9)));
        CPPUNIT_ASSERT(group.claims.holds(CHANNEL, Ticket(9)));
        CPPUNIT_ASSERT(group.claim.take(CHANNEL, Ticket(10)));
    }

    void testARequestOfAnEarlierChannelOfTheSlotDoesNotRun() {
        Group group;
        group.senders.reset(NEXT_IN_SLOT);
        CPPUNIT_ASSERT(!group.claim.take(CHANNEL, Ticket(9)));
    }

    /** A mark that cannot be read shows the order: the claim is there already. */
    void testTheClaimIsWrittenBeforeTheMarkIsRead() {
        const Claims claims;
        const FileDescriptor none;
        InstanceClaim claim(claims.memory().descriptor(), none, CELL);
        thrownBy<SystemException>([&] { static_cast<void>(claim.take(CHANNEL, Ticket(9))); });
        CPPUNIT_ASSERT(claims.holds(CHANNEL, Ticket(9)));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(InstanceClaimTest);

}  // namespace Passenger
