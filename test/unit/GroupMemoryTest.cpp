#include "io/GroupMemory.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "support/Expect.h"
#include "support/LeakCheck.h"

namespace Passenger {

class GroupMemoryTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(GroupMemoryTest);
    CPPUNIT_TEST(testAClaimIsSeenByAllSides);
    CPPUNIT_TEST(testAClaimIsOfOneTicketOnly);
    CPPUNIT_TEST(testAClearedClaimIsGone);
    CPPUNIT_TEST(testTheLastCellCounts);
    CPPUNIT_TEST(testClaimsSayWhatTheyAre);
    CPPUNIT_TEST(testChildrenCannotWriteClaims);
    CPPUNIT_TEST(testAFileThatIsNotSealedIsNotMapped);
    CPPUNIT_TEST(testAShortFileIsNotMapped);
    CPPUNIT_TEST(testAWithdrawnTicketIsMarkedWhereInstancesLook);
    CPPUNIT_TEST(testAllTicketsOfAChannelCanBeWithdrawn);
    CPPUNIT_TEST(testANewChannelBeginsWithoutAMark);
    CPPUNIT_TEST(testRequestsAreCountedOverAllChildren);
    CPPUNIT_TEST(testChildrenWithoutASlotDoNotCount);
    CPPUNIT_TEST(testAChildThatIsGoneHasNothingInFlight);
    CPPUNIT_TEST(testNonsenseOfOneChildDoesNotOverflowTheSum);
    CPPUNIT_TEST(testThePeakIsTheMostAtOnceSinceTheLastLook);
    CPPUNIT_TEST(testMoreIsAskedForOnce);
    CPPUNIT_TEST_SUITE_END();

    static void claim(const Claims &claims, std::uint32_t cell, std::uint64_t channel, std::uint64_t ticket) {
        const ClaimCell value{channel, ticket};
        const ssize_t written = ::pwrite(claims.memory().descriptor().get(), &value, sizeof(value),
                                         static_cast<off_t>(ClaimsLayout::offset(cell)));
        CPPUNIT_ASSERT_EQUAL(static_cast<ssize_t>(sizeof(value)), written);
    }

    static constexpr ChannelId CHANNEL{(5ULL << 16) | 17};

public:
    void testAClaimIsSeenByAllSides() {
        const Claims claims;
        const ClaimsView view(claims.memory().readOnlyDescriptor());
        CPPUNIT_ASSERT(!claims.read(3));
        claim(claims, 3, CHANNEL.value(), 9);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{9}, claims.read(3)->ticket);
        CPPUNIT_ASSERT(claims.holds(CHANNEL, Ticket(9)));
        CPPUNIT_ASSERT(view.holds(CHANNEL, Ticket(9)));
        CPPUNIT_ASSERT_EQUAL(1U, claims.taken());
    }

    void testAClaimIsOfOneTicketOnly() {
        const Claims claims;
        const ClaimsView view(claims.memory().readOnlyDescriptor());
        claim(claims, 3, CHANNEL.value(), 9);
        CPPUNIT_ASSERT(!view.holds(CHANNEL, Ticket(8)));
        CPPUNIT_ASSERT(!view.holds(ChannelId(17), Ticket(9)));
        CPPUNIT_ASSERT(!claims.holds(CHANNEL, Ticket(10)));
    }

    void testAClearedClaimIsGone() {
        Claims claims;
        const ClaimsView view(claims.memory().readOnlyDescriptor());
        claim(claims, 0, CHANNEL.value(), 9);
        claims.clear(0);
        CPPUNIT_ASSERT(!view.holds(CHANNEL, Ticket(9)));
        CPPUNIT_ASSERT_EQUAL(0U, claims.taken());
    }

    void testTheLastCellCounts() {
        const Claims claims;
        const ClaimsView view(claims.memory().readOnlyDescriptor());
        claim(claims, ClaimsLayout::CELLS - 1, CHANNEL.value(), 9);
        CPPUNIT_ASSERT(view.holds(CHANNEL, Ticket(9)));
    }

    void testClaimsSayWhatTheyAre() {
        const Claims claims;
        MemoryHeader header{};
        claims.memory().read(&header, sizeof(header), 0);
        CPPUNIT_ASSERT_EQUAL(ClaimsLayout::MAGIC, header.magic);
        CPPUNIT_ASSERT_EQUAL(std::uint16_t{LAYOUT_VERSION}, header.version);
        CPPUNIT_ASSERT_EQUAL(ClaimsLayout::CELLS, header.capacity);
    }

    void testChildrenCannotWriteClaims() {
        const Claims claims;
        const FileDescriptor readOnly = claims.memory().readOnlyDescriptor();
        CPPUNIT_ASSERT_EQUAL(ssize_t{-1}, ::pwrite(readOnly.get(), "x", 1, 64));
        void *mapped = ::mmap(nullptr, ClaimsLayout::SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, readOnly.get(), 0);
        CPPUNIT_ASSERT(mapped == MAP_FAILED);
        CPPUNIT_ASSERT_EQUAL(EACCES, errno);
    }

    void testAFileThatIsNotSealedIsNotMapped() {
        const FileDescriptor loose(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
        CPPUNIT_ASSERT_EQUAL(0, ::ftruncate(loose.get(), MarksLayout::SIZE));
        thrownBy<ProtocolException>([&] { MarksView view(loose); });
    }

    void testAShortFileIsNotMapped() {
        const Claims claims;
        thrownBy<ProtocolException>([&] { MarksView view(claims.memory().descriptor()); });
    }

    void testAWithdrawnTicketIsMarkedWhereInstancesLook() {
        const Marks marks;
        MarksView view(marks.memory().descriptor());
        view.withdraw(CHANNEL, Ticket(9));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{9}, marks.memory().readU64(16512 + 8 * 17));
    }

    void testAllTicketsOfAChannelCanBeWithdrawn() {
        Marks marks;
        marks.withdrawAll(CHANNEL);
        CPPUNIT_ASSERT_EQUAL(UINT64_MAX, marks.memory().readU64(MarksLayout::mark(CHANNEL.value())));
    }

    void testANewChannelBeginsWithoutAMark() {
        Marks marks;
        marks.withdrawAll(CHANNEL);
        marks.reset(ChannelId((6ULL << 16) | 17));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, marks.memory().readU64(MarksLayout::mark(CHANNEL.value())));
    }

    void testRequestsAreCountedOverAllChildren() {
        const Marks marks;
        MarksView one(marks.memory().descriptor());
        MarksView other(marks.memory().descriptor());
        CPPUNIT_ASSERT_EQUAL(1U, one.add(0, 2));
        CPPUNIT_ASSERT_EQUAL(2U, other.add(1, 2));
        CPPUNIT_ASSERT_EQUAL(3U, other.add(1, 2));
        CPPUNIT_ASSERT_EQUAL(3U, marks.inFlight(2));
        other.remove(1);
        CPPUNIT_ASSERT_EQUAL(2U, marks.inFlight(2));
        CPPUNIT_ASSERT_EQUAL(1U, marks.memory().readU32(MarksLayout::count(1)));
    }

    void testChildrenWithoutASlotDoNotCount() {
        const Marks marks;
        MarksView view(marks.memory().descriptor());
        view.add(5, 6);
        CPPUNIT_ASSERT_EQUAL(0U, marks.inFlight(5));
        CPPUNIT_ASSERT_EQUAL(1U, marks.inFlight(UINT32_MAX));
        CPPUNIT_ASSERT_EQUAL(0U, marks.inFlight(0));
    }

    void testAChildThatIsGoneHasNothingInFlight() {
        Marks marks;
        MarksView view(marks.memory().descriptor());
        view.add(0, 1);
        marks.forgetChild(0);
        CPPUNIT_ASSERT_EQUAL(0U, marks.inFlight(1));
    }

    void testNonsenseOfOneChildDoesNotOverflowTheSum() {
        Marks marks;
        MarksView view(marks.memory().descriptor());
        view.remove(0);
        view.add(1, 2);
        CPPUNIT_ASSERT_EQUAL(BoardLayout::ENTRIES + 1, marks.inFlight(2));
    }

    void testThePeakIsTheMostAtOnceSinceTheLastLook() {
        Marks marks;
        MarksView view(marks.memory().descriptor());
        view.add(0, 1);
        view.add(0, 1);
        view.remove(0);
        CPPUNIT_ASSERT_EQUAL(2U, marks.takePeak(1));
        CPPUNIT_ASSERT_EQUAL_MESSAGE("One is in flight all along", 1U, marks.takePeak(1));
        view.remove(0);
        CPPUNIT_ASSERT_EQUAL(1U, marks.takePeak(1));
        CPPUNIT_ASSERT_EQUAL(0U, marks.takePeak(1));
    }

    void testMoreIsAskedForOnce() {
        Marks marks;
        MarksView one(marks.memory().descriptor());
        MarksView other(marks.memory().descriptor());
        CPPUNIT_ASSERT(one.askForMore());
        CPPUNIT_ASSERT(!one.askForMore());
        CPPUNIT_ASSERT(!other.askForMore());
        CPPUNIT_ASSERT(marks.wanted());
        marks.clearWanted();
        CPPUNIT_ASSERT(other.askForMore());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(GroupMemoryTest);

}  // namespace Passenger
