#include "shm/Claims.h"
#include "shm/ClaimsView.h"
#include "shm/SenderMemory.h"
#include "shm/SenderMemoryView.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "support/Expect.h"
#include "support/HeldMemory.h"
#include "support/LeakCheck.h"

namespace Passenger {

using namespace std::chrono_literals;

class GroupMemoryTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(GroupMemoryTest);
    CPPUNIT_TEST(testAClaimIsSeenByAllSides);
    CPPUNIT_TEST(testAClaimIsForOneTicketOnly);
    CPPUNIT_TEST(testAClearedClaimIsGone);
    CPPUNIT_TEST(testAnInstanceThatHoldsTheFileOfClaimsKeepsNobodyFromClearingThem);
    CPPUNIT_TEST(testTheLastCellIsReadOnceItIsUsed);
    CPPUNIT_TEST(testAnInstanceCannotMakeChildrenReadBeyondTheFile);
    CPPUNIT_TEST(testTheFileOfClaimsHasItsHeader);
    CPPUNIT_TEST(testChildrenCannotWriteClaims);
    CPPUNIT_TEST(testAFileThatIsNotSealedIsNotMapped);
    CPPUNIT_TEST(testAShortFileIsNotMapped);
    CPPUNIT_TEST(testAWithdrawnTicketIsMarkedForInstances);
    CPPUNIT_TEST(testAllTicketsOfAChannelCanBeWithdrawn);
    CPPUNIT_TEST(testANewChannelBeginsWithoutAMark);
    CPPUNIT_TEST(testTicketsOfTheOldChannelOfASlotAreWithdrawn);
    CPPUNIT_TEST(testTheEndOfAChannelDoesNotAffectTheNextOneInItsSlot);
    CPPUNIT_TEST(testRequestsAreCountedOverAllChildren);
    CPPUNIT_TEST(testChildrenWithoutASlotDoNotCount);
    CPPUNIT_TEST(testAChildThatHasEndedHasNothingInFlight);
    CPPUNIT_TEST(testAFalseCountOfOneChildDoesNotOverflowTheSum);
    CPPUNIT_TEST(testRequestsOfAKeyAreCountedOverAllChildren);
    CPPUNIT_TEST(testAKeyThatSharesOneCellWithAnotherHasItsOwnCount);
    CPPUNIT_TEST(testOthersWithOneCellEachDoNotCountForAKey);
    CPPUNIT_TEST(testAChildThatHasEndedHasNoRequestOfAnyKey);
    CPPUNIT_TEST(testKeyCountsHaveTheirDocumentedOffsets);
    CPPUNIT_TEST(testThePeakIsTheHighestCountSinceTheLastCall);
    CPPUNIT_TEST(testMoreInstancesAreRequestedOnce);
    CPPUNIT_TEST(testStatisticsHaveTheirDocumentedOffsets);
    CPPUNIT_TEST(testStatisticsAreOfAllChildren);
    CPPUNIT_TEST(testTheCountsOfAChildRemainAfterItsEnd);
    CPPUNIT_TEST(testAChildThatCountedNothingTakesNoMemory);
    CPPUNIT_TEST(testFalseCountsOfOneChildDoNotOverflowTheStatistics);
    CPPUNIT_TEST_SUITE_END();

    static void claim(const Claims &claims, std::uint32_t cell, std::uint64_t channel, std::uint64_t ticket) {
        const ClaimCell value{channel, ticket};
        const ssize_t written = ::pwrite(claims.memory().descriptor().get(), &value, sizeof(value),
                                         static_cast<off_t>(ClaimsLayout::offset(cell)));
        CPPUNIT_ASSERT_EQUAL(static_cast<ssize_t>(sizeof(value)), written);
    }

    static constexpr ChannelId CHANNEL{(5ULL << 16) | 17};
    static constexpr ChannelId NEXT_IN_SLOT{(6ULL << 16) | 17};
    static FairnessKey keyOf(const std::string &text) { return FairnessKey(std::hash<std::string>()(text)); }
    static inline const FairnessKey ALICE = keyOf("alice");
    static inline const FairnessKey BOB = keyOf("bob");

    /** Reads the withdrawal mark as an instance does. */
    static bool withdrawn(const SenderMemory &senders, ChannelId channel, std::uint64_t ticket) {
        return SenderMemoryLayout::withdraws(senders.memory().readU64(SenderMemoryLayout::mark(channel.value())),
                                             channel.value(), ticket);
    }

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
        CPPUNIT_ASSERT_EQUAL(1U, view.taken());
    }

    void testAClaimIsForOneTicketOnly() {
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

    void testAnInstanceThatHoldsTheFileOfClaimsKeepsNobodyFromClearingThem() {
        Claims claims;
        const ClaimsView view(claims.memory().readOnlyDescriptor());
        claim(claims, 0, CHANNEL.value(), 9);
        claim(claims, 1, CHANNEL.value(), 10);
        const HeldMemory held([fd = claims.memory().descriptor().get()](char *page) {
            static_cast<void>(::pwrite(fd, page, sizeof(ClaimCell), static_cast<off_t>(ClaimsLayout::offset(2))));
        });
        claims.clear(0);
        claims.noteDeath(1, true);
        claims.use(ClaimsLayout::CELLS);
        CPPUNIT_ASSERT(!view.holds(CHANNEL, Ticket(9)));
        CPPUNIT_ASSERT(view.killed(CHANNEL, Ticket(10)));
    }

    void testTheLastCellIsReadOnceItIsUsed() {
        Claims claims;
        const ClaimsView view(claims.memory().readOnlyDescriptor());
        claim(claims, ClaimsLayout::CELLS - 1, CHANNEL.value(), 9);
        CPPUNIT_ASSERT(!view.holds(CHANNEL, Ticket(9)) && claims.taken() == 0);
        claims.use(ClaimsLayout::CELLS);
        CPPUNIT_ASSERT(view.holds(CHANNEL, Ticket(9)) && claims.taken() == 1);
    }

    void testAnInstanceCannotMakeChildrenReadBeyondTheFile() {
        const Claims claims;
        const ClaimsView view(claims.memory().readOnlyDescriptor());
        const std::uint32_t many = ~0U;
        CPPUNIT_ASSERT(
            ::pwrite(claims.memory().descriptor().get(), &many, sizeof(many), offsetof(MemoryHeader, extra)) > 0);
        CPPUNIT_ASSERT(!view.holds(CHANNEL, Ticket(9)));
    }

    void testTheFileOfClaimsHasItsHeader() {
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
        CPPUNIT_ASSERT_EQUAL(0, ::ftruncate(loose.get(), SenderMemoryLayout::SIZE));
        thrownBy<ProtocolException>([&] { SenderMemoryView view(loose); });
    }

    void testAShortFileIsNotMapped() {
        const Claims claims;
        thrownBy<ProtocolException>([&] { SenderMemoryView view(claims.memory().descriptor()); });
    }

    void testAWithdrawnTicketIsMarkedForInstances() {
        const SenderMemory senders;
        SenderMemoryView view(senders.memory().descriptor());
        view.withdraw(CHANNEL, Ticket(9));
        CPPUNIT_ASSERT_EQUAL((CHANNEL.value() >> 16) << 32 | 9, senders.memory().readU64(16512 + 8 * 17));
    }

    void testAllTicketsOfAChannelCanBeWithdrawn() {
        SenderMemory senders;
        senders.reset(CHANNEL);
        senders.withdrawAll(CHANNEL);
        CPPUNIT_ASSERT(withdrawn(senders, CHANNEL, UINT32_MAX));
    }

    void testANewChannelBeginsWithoutAMark() {
        SenderMemory senders;
        senders.reset(CHANNEL);
        senders.withdrawAll(CHANNEL);
        senders.reset(NEXT_IN_SLOT);
        CPPUNIT_ASSERT(!withdrawn(senders, NEXT_IN_SLOT, 1));
    }

    void testTicketsOfTheOldChannelOfASlotAreWithdrawn() {
        SenderMemory senders;
        senders.reset(CHANNEL);
        CPPUNIT_ASSERT(!withdrawn(senders, CHANNEL, 1));
        senders.reset(NEXT_IN_SLOT);
        CPPUNIT_ASSERT(withdrawn(senders, CHANNEL, 1));
        CPPUNIT_ASSERT(withdrawn(senders, CHANNEL, UINT32_MAX));
    }

    void testTheEndOfAChannelDoesNotAffectTheNextOneInItsSlot() {
        SenderMemory senders;
        senders.reset(NEXT_IN_SLOT);
        senders.withdrawAll(CHANNEL);
        CPPUNIT_ASSERT(!withdrawn(senders, NEXT_IN_SLOT, 1));
    }

    void testRequestsAreCountedOverAllChildren() {
        const SenderMemory senders;
        SenderMemoryView one(senders.memory().descriptor());
        SenderMemoryView other(senders.memory().descriptor());
        CPPUNIT_ASSERT_EQUAL(1U, one.add(0, 2));
        CPPUNIT_ASSERT_EQUAL(2U, other.add(1, 2));
        CPPUNIT_ASSERT_EQUAL(3U, other.add(1, 2));
        CPPUNIT_ASSERT_EQUAL(3U, senders.inFlight(2));
        other.remove(1);
        CPPUNIT_ASSERT_EQUAL(2U, senders.inFlight(2));
        CPPUNIT_ASSERT_EQUAL(1U, senders.memory().readU32(SenderMemoryLayout::count(1)));
    }

    void testChildrenWithoutASlotDoNotCount() {
        const SenderMemory senders;
        SenderMemoryView view(senders.memory().descriptor());
        view.add(5, 6);
        CPPUNIT_ASSERT_EQUAL(0U, senders.inFlight(5));
        CPPUNIT_ASSERT_EQUAL(1U, senders.inFlight(UINT32_MAX));
        CPPUNIT_ASSERT_EQUAL(0U, senders.inFlight(0));
    }

    void testAChildThatHasEndedHasNothingInFlight() {
        SenderMemory senders;
        SenderMemoryView view(senders.memory().descriptor());
        view.add(0, 1);
        senders.forgetChild(0);
        CPPUNIT_ASSERT_EQUAL(0U, senders.inFlight(1));
    }

    void testAFalseCountOfOneChildDoesNotOverflowTheSum() {
        SenderMemory senders;
        SenderMemoryView view(senders.memory().descriptor());
        view.remove(0);
        view.add(1, 2);
        CPPUNIT_ASSERT_EQUAL(InFlightLayout::ENTRIES + 1, senders.inFlight(2));
    }

    void testRequestsOfAKeyAreCountedOverAllChildren() {
        const SenderMemory senders;
        SenderMemoryView one(senders.memory().descriptor());
        SenderMemoryView other(senders.memory().descriptor());
        one.add(0, ALICE);
        other.add(1, ALICE);
        other.add(1, ALICE);
        one.add(1, BOB);
        CPPUNIT_ASSERT_EQUAL(3U, one.inFlight(ALICE, 2));
        CPPUNIT_ASSERT_EQUAL(1U, other.inFlight(BOB, 2));
        CPPUNIT_ASSERT_EQUAL(1U, one.inFlight(ALICE, 1));
        CPPUNIT_ASSERT_EQUAL_MESSAGE("A count of its own", 0U, senders.inFlight(2));
        other.remove(1, ALICE);
        CPPUNIT_ASSERT_EQUAL(2U, one.inFlight(ALICE, UINT32_MAX));
        one.add(MAX_CHILDREN - 1, ALICE);
        CPPUNIT_ASSERT_EQUAL(3U, one.inFlight(ALICE, UINT32_MAX));
    }

    void testAKeyThatSharesOneCellWithAnotherHasItsOwnCount() {
        const SenderMemory senders;
        SenderMemoryView view(senders.memory().descriptor());
        const FairnessKey greedy = keyOf("greedy");
        for (int i = 0; i < 50; i++) {
            view.add(0, greedy);
        }
        unsigned apart = 0;
        unsigned together = 0;
        for (int i = 0; i < 1000; i++) {
            const FairnessKey key = keyOf(std::to_string(i));
            const bool same = key.cell(0) == greedy.cell(0) && key.cell(1) == greedy.cell(1);
            CPPUNIT_ASSERT_EQUAL(same ? 50U : 0U, view.inFlight(key, 1));
            together += same ? 1 : 0;
            apart += !same && (key.cell(0) == greedy.cell(0) || key.cell(1) == greedy.cell(1)) ? 1 : 0;
        }
        CPPUNIT_ASSERT_MESSAGE("Some share one cell", apart > 0);
        CPPUNIT_ASSERT(together < 5);
    }

    void testOthersWithOneCellEachDoNotCountForAKey() {
        const SenderMemory senders;
        SenderMemoryView view(senders.memory().descriptor());
        const auto share = [](std::uint32_t row) {
            int number = 0;
            FairnessKey other = ALICE;
            do {
                other = keyOf(std::to_string(number++));
            } while (other.cell(row) != ALICE.cell(row) || other.cell(1 - row) == ALICE.cell(1 - row));
            return other;
        };
        view.add(0, share(0));
        view.add(1, share(1));
        CPPUNIT_ASSERT_EQUAL_MESSAGE("In different children", 0U, view.inFlight(ALICE, 2));
        view.add(0, share(1));
        CPPUNIT_ASSERT_EQUAL_MESSAGE("In one child", 1U, view.inFlight(ALICE, 2));
    }

    void testAChildThatHasEndedHasNoRequestOfAnyKey() {
        SenderMemory senders;
        SenderMemoryView view(senders.memory().descriptor());
        view.add(0, ALICE);
        view.add(1, ALICE);
        senders.forgetChild(0);
        CPPUNIT_ASSERT_EQUAL(1U, view.inFlight(ALICE, 2));
        // Perhaps it lives, and its connection had broken.
        view.remove(0, ALICE);
        CPPUNIT_ASSERT_EQUAL_MESSAGE("Not below 0", 1U, view.inFlight(ALICE, 2));
        view.add(0, ALICE);
        CPPUNIT_ASSERT_EQUAL(2U, view.inFlight(ALICE, 2));
    }

    void testKeyCountsHaveTheirDocumentedOffsets() {
        const SenderMemory senders;
        SenderMemoryView view(senders.memory().descriptor());
        for (int i = 0; i < 300; i++) {
            view.add(3, ALICE);
        }
        for (const std::uint32_t row : {0U, 1U}) {
            std::uint16_t count = 0;
            senders.memory().read(&count, sizeof(count), 3162240 + 3 * 512 + row * 256 + ALICE.cell(row) * 2);
            CPPUNIT_ASSERT_EQUAL(std::uint16_t{300}, count);
        }
    }

    void testThePeakIsTheHighestCountSinceTheLastCall() {
        SenderMemory senders;
        SenderMemoryView view(senders.memory().descriptor());
        view.add(0, 1);
        view.add(0, 1);
        view.remove(0);
        CPPUNIT_ASSERT_EQUAL(2U, senders.takePeak(1));
        CPPUNIT_ASSERT_EQUAL_MESSAGE("One is in flight all along", 1U, senders.takePeak(1));
        view.remove(0);
        CPPUNIT_ASSERT_EQUAL(1U, senders.takePeak(1));
        CPPUNIT_ASSERT_EQUAL(0U, senders.takePeak(1));
    }

    void testMoreInstancesAreRequestedOnce() {
        SenderMemory senders;
        SenderMemoryView one(senders.memory().descriptor());
        SenderMemoryView other(senders.memory().descriptor());
        CPPUNIT_ASSERT(one.askForMore());
        CPPUNIT_ASSERT(!one.askForMore());
        CPPUNIT_ASSERT(!other.askForMore());
        CPPUNIT_ASSERT(senders.wanted());
        senders.clearWanted();
        CPPUNIT_ASSERT(other.askForMore());
    }

    void testStatisticsHaveTheirDocumentedOffsets() {
        const SenderMemory senders;
        SenderMemoryView view(senders.memory().descriptor());
        const std::size_t start = 540800 + 3 * 640;
        view.completed(3, 5us, 1ms);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, senders.memory().readU64(start));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, senders.memory().readU64(start + 32 + 8 * 10));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, senders.memory().readU64(start + 288 + 8 * 3));
        view.refused(3);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, senders.memory().readU64(start + 8));
        view.timedOut(3, 5us);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, senders.memory().readU64(start + 16));
        view.left(3, 5us);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, senders.memory().readU64(start + 24));
        view.overShare(3);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, senders.memory().readU64(start + 560));
        view.lost(3);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, senders.memory().readU64(start + 568));
        view.overran(3);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, senders.memory().readU64(start + 576));
        view.notStarted(3);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, senders.memory().readU64(start + 584));
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{3}, senders.memory().readU64(start + 288 + 8 * 3));
    }

    void testStatisticsAreOfAllChildren() {
        const SenderMemory senders;
        SenderMemoryView view(senders.memory().descriptor());
        for (const std::uint32_t child : {0U, 15U, 16U, 33U, MAX_CHILDREN - 1}) {
            view.completed(child, 5us, 1ms);
        }
        view.left(16, 1s);
        const GroupStatistics statistics = senders.statistics(34);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{4}, statistics.completed);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, statistics.left);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{4}, statistics.serviceTime.total());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{4}, statistics.queueTime.counts[LogHistogram::bucket(5us)]);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, statistics.queueTime.counts[LogHistogram::bucket(1s)]);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{5}, senders.statistics(UINT32_MAX).completed);
        CPPUNIT_ASSERT(senders.statistics(0) == GroupStatistics());
    }

    void testTheCountsOfAChildRemainAfterItsEnd() {
        SenderMemory senders;
        SenderMemoryView view(senders.memory().descriptor());
        view.completed(0, 5us, 1ms);
        view.completed(1, 5us, 1ms);
        const GroupStatistics before = senders.statistics(2);
        senders.forgetChild(1);
        CPPUNIT_ASSERT(senders.statistics(2) == before);
        CPPUNIT_ASSERT_MESSAGE("Its slot counts no more", senders.statistics(1) == before);
        view.refused(1);
        view.lost(1);
        view.overran(1);
        view.notStarted(1);
        senders.forgetChild(1);
        senders.forgetChild(1);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{2}, senders.statistics(2).completed);
        const GroupStatistics after = senders.statistics(2);
        for (const std::uint64_t count : {after.refused, after.lost, after.overran, after.notStarted}) {
            CPPUNIT_ASSERT_EQUAL(std::uint64_t{1}, count);
        }
    }

    void testAChildThatCountedNothingTakesNoMemory() {
        const auto blocks = [](const SenderMemory &senders) {
            struct stat status {};
            CPPUNIT_ASSERT_EQUAL(0, ::fstat(senders.memory().descriptor().get(), &status));
            return status.st_blocks;
        };
        SenderMemory senders;
        // The child's in-flight count is in the same page as the file's header.
        const auto before = blocks(senders);
        senders.forgetChild(900);
        senders.statistics(MAX_CHILDREN);
        CPPUNIT_ASSERT_EQUAL(before, blocks(senders));
    }

    void testFalseCountsOfOneChildDoNotOverflowTheStatistics() {
        SenderMemory senders;
        SenderMemoryView view(senders.memory().descriptor());
        const std::vector<std::uint8_t> nonsense(sizeof(GroupStatistics), 0xff);
        CPPUNIT_ASSERT(::pwrite(senders.memory().descriptor().get(), nonsense.data(), nonsense.size(),
                                SenderMemoryLayout::statistics(0)) > 0);
        view.completed(1, 5us, 1ms);
        const std::uint64_t most = std::uint64_t{1} << 48;
        for (int i = 0; i < 2; i++) {
            const GroupStatistics statistics = senders.statistics(2);
            CPPUNIT_ASSERT_EQUAL(most + 1, statistics.completed);
            CPPUNIT_ASSERT_EQUAL(most, statistics.refused);
            CPPUNIT_ASSERT_EQUAL(most + 1, statistics.serviceTime.counts[10]);
            CPPUNIT_ASSERT_EQUAL(most, statistics.queueTime.counts[31]);
            senders.forgetChild(0);
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(GroupMemoryTest);

}  // namespace Passenger
