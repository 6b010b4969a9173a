#include "pool/ApplicationQueue.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>

#include "base/Exceptions.h"
#include "io/ReplyChannel.h"
#include "io/SocketPair.h"
#include "shm/ClaimsView.h"
#include "shm/InFlightReader.h"
#include "shm/InFlightTable.h"
#include "support/LeakCheck.h"
#include "support/NoDescriptorStore.h"

namespace Passenger {

class ApplicationQueueTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(ApplicationQueueTest);
    CPPUNIT_TEST(testInstancesGetCellsOfTheirOwn);
    CPPUNIT_TEST(testFreedCellsAreReusedWithoutTheirClaims);
    CPPUNIT_TEST(testCellsAreAllocatedInARow);
    CPPUNIT_TEST(testNoMoreCellsThanTheLayoutHasAreAllocated);
    CPPUNIT_TEST(testAnInstanceGetsAtMostAnEighthOfTheFreeCells);
    CPPUNIT_TEST(testAnInstanceGetsWhatIsThereInARow);
    CPPUNIT_TEST(testNoCellIsTakenIfNoDescriptorIsLeft);
    CPPUNIT_TEST(testTheCellsOfADeadInstanceAreReusedOnceItsRequestIsReportedLost);
    CPPUNIT_TEST(testIfTheChildCannotBeToldTheClaimIsMarkedAsDied);
    CPPUNIT_TEST(testACellMarkedAsDiedIsReusedOnceItsRequestIsNoLongerInFlight);
    CPPUNIT_TEST(testClaimsInFreeCellsAreClearedWhenTheNextInstanceEnds);
    CPPUNIT_TEST(testTheCountsOfAnInstanceAreSummedAndTheNextOneBeginsWithNone);
    CPPUNIT_TEST(testADeathLeavesTheCountsAlone);
    CPPUNIT_TEST(testAFalseTimeInTheInFlightTableDoesNotOverflow);
    CPPUNIT_TEST_SUITE_END();

    // Made in setUp(): CppUnit makes the fixtures of all tests before the first test runs, and the
    // loop has a thread.
    std::optional<EventLoop> loop_;
    std::optional<ChannelRegistry> channels_;
    NoDescriptorStore store_;
    std::unique_ptr<InFlightTable> inFlightTable_;
    FileDescriptor child_;
    FileDescriptor instance_;

    /** Adds a channel of the sender in slot 0 for the queue in slot 0. */
    ChannelId addChannel() {
        DescriptorPair pair = makeSeqPacketPair();
        child_ = std::move(pair.first);
        instance_ = pair.second.duplicate();
        inFlightTable_ = std::make_unique<InFlightTable>();
        const std::uint32_t sender =
            channels_->addSender(InFlightReader(inFlightTable_->memory().descriptor().duplicate()));
        return channels_->add(std::move(pair.second), sender, 0, ChannelSecret::random());
    }
    void fillChannel() {
        while (notifyChannel(instance_, MessageHeader{}, std::string(60000, 'x'))) {
        }
    }
    static void write(ApplicationQueue &queue, std::uint32_t cell, const ClaimCell &value) {
        const auto offset = static_cast<off_t>(ClaimsLayout::offset(cell));
        CPPUNIT_ASSERT(::pwrite(queue.claims().memory().descriptor().get(), &value, sizeof(value), offset) > 0);
    }
    /** Allocates one cell and writes this claim into it. */
    static CellRange claimed(ApplicationQueue &queue, ChannelId channel, Ticket ticket) {
        const CellRange cells = queue.allocate(1).value();
        write(queue, cells.first, {channel.value(), ticket.value()});
        return cells;
    }

    static void claim(ApplicationQueue &queue, std::uint32_t cell) { write(queue, cell, {7, 9}); }

public:
    void setUp() override {
        LeakCheck::setUp();
        loop_.emplace();
        channels_.emplace(*loop_);
    }
    void tearDown() override {
        channels_->removeSender(0);
        inFlightTable_.reset();
        child_.reset();
        instance_.reset();
        channels_.reset();
        loop_.reset();
        LeakCheck::tearDown();
    }

    void testInstancesGetCellsOfTheirOwn() {
        ApplicationQueue queue(0, "blog", *channels_, store_);
        CPPUNIT_ASSERT_EQUAL(0U, queue.allocate(3)->first);
        CPPUNIT_ASSERT_EQUAL(3U, queue.allocate(1)->first);
    }

    void testFreedCellsAreReusedWithoutTheirClaims() {
        ApplicationQueue queue(0, "blog", *channels_, store_);
        const auto cells = queue.allocate(2);
        claim(queue, 1);
        queue.free(*cells);
        CPPUNIT_ASSERT_EQUAL(0U, queue.claims().taken());
        CPPUNIT_ASSERT_EQUAL(0U, queue.allocate(2)->first);
    }

    void testCellsAreAllocatedInARow() {
        ApplicationQueue queue(0, "blog", *channels_, store_);
        const auto first = queue.allocate(2);
        queue.allocate(1);
        queue.free(*first);
        CPPUNIT_ASSERT_EQUAL(3U, queue.allocate(3)->first);
        CPPUNIT_ASSERT_EQUAL(0U, queue.allocate(2)->first);
    }

    void testNoCellIsTakenIfNoDescriptorIsLeft() {
        ApplicationQueue queue(0, "blog", *channels_, store_);
        rlimit limit{};
        CPPUNIT_ASSERT_EQUAL(0, ::getrlimit(RLIMIT_NOFILE, &limit));
        const rlimit none{0, limit.rlim_max};
        CPPUNIT_ASSERT_EQUAL(0, ::setrlimit(RLIMIT_NOFILE, &none));
        bool failed = false;
        try {
            queue.handOver(nullptr, 1, 1);
        } catch (const SystemException &) {
            failed = true;
        }
        CPPUNIT_ASSERT_EQUAL(0, ::setrlimit(RLIMIT_NOFILE, &limit));
        CPPUNIT_ASSERT(failed);
        CPPUNIT_ASSERT_EQUAL(0U, queue.allocate(1)->first);
    }

    void testNoMoreCellsThanTheLayoutHasAreAllocated() {
        ApplicationQueue queue(0, "blog", *channels_, store_);
        CPPUNIT_ASSERT(queue.allocate(ClaimsLayout::CELLS));
        CPPUNIT_ASSERT(!queue.allocate(1));
        ApplicationQueue other(1, "shop", *channels_, store_);
        CPPUNIT_ASSERT(!other.allocate(ClaimsLayout::CELLS + 1));
    }

    void testAnInstanceGetsAtMostAnEighthOfTheFreeCells() {
        ApplicationQueue queue(0, "blog", *channels_, store_);
        constexpr std::uint32_t ALL = ClaimsLayout::CELLS;
        CPPUNIT_ASSERT_EQUAL(ALL / 8, queue.handOver(nullptr, ALL, 32).cells.count);
        CPPUNIT_ASSERT_EQUAL((ALL - ALL / 8) / 8, queue.handOver(nullptr, ALL, 32).cells.count);
        CPPUNIT_ASSERT_EQUAL(100U, queue.handOver(nullptr, 100, 32).cells.count);
        // As many as it cannot do without, even so.
        CPPUNIT_ASSERT_EQUAL(ALL / 2, queue.handOver(nullptr, ALL, ALL / 2).cells.count);
    }

    void testAnInstanceGetsWhatIsThereInARow() {
        ApplicationQueue queue(0, "blog", *channels_, store_);
        const auto first = queue.allocate(600);
        CPPUNIT_ASSERT(queue.allocate(ClaimsLayout::CELLS - 600));
        CPPUNIT_ASSERT_THROW(queue.handOver(nullptr, 64, 32), SpawnException);
        queue.free(*first);
        CPPUNIT_ASSERT_EQUAL(75U, queue.handOver(nullptr, 8192, 32).cells.count);
    }

    void testTheCellsOfADeadInstanceAreReusedOnceItsRequestIsReportedLost() {
        ApplicationQueue queue(0, "blog", *channels_, store_);
        queue.giveUp(claimed(queue, addChannel(), Ticket(9)));
        MessageHeader header{};
        CPPUNIT_ASSERT(::recv(child_.get(), &header, sizeof(header), MSG_DONTWAIT) > 0);
        CPPUNIT_ASSERT(header.type == MessageType::LOST);
        CPPUNIT_ASSERT_EQUAL(0U, queue.allocate(1)->first);
    }

    void testIfTheChildCannotBeToldTheClaimIsMarkedAsDied() {
        ApplicationQueue queue(0, "blog", *channels_, store_);
        const ChannelId channel = addChannel();
        fillChannel();
        queue.giveUp(claimed(queue, channel, Ticket(9)));
        const ClaimsView view(queue.claims().memory().descriptor());
        CPPUNIT_ASSERT(view.died(channel, Ticket(9)));
        CPPUNIT_ASSERT_EQUAL(0U, queue.claims().taken());
    }

    void testACellMarkedAsDiedIsReusedOnceItsRequestIsNoLongerInFlight() {
        ApplicationQueue queue(0, "blog", *channels_, store_);
        const ChannelId channel = addChannel();
        fillChannel();
        const std::uint32_t entry = inFlightTable_->allocate();
        inFlightTable_->sending(entry, channel, Ticket(9), 0, MonotonicTime(std::chrono::seconds(1)));
        inFlightTable_->sent(entry);
        queue.giveUp(claimed(queue, channel, Ticket(9)));
        CPPUNIT_ASSERT_EQUAL(1U, queue.allocate(1)->first);
        inFlightTable_->done(entry);
        CPPUNIT_ASSERT_EQUAL(0U, queue.allocate(1)->first);
    }

    void testClaimsInFreeCellsAreClearedWhenTheNextInstanceEnds() {
        ApplicationQueue queue(0, "blog", *channels_, store_);
        const auto ending = queue.allocate(1);
        const auto other = queue.allocate(1);
        claim(queue, other->first);
        claim(queue, 50);
        queue.giveUp(*ending);
        CPPUNIT_ASSERT(queue.claims().read(other->first));
        CPPUNIT_ASSERT(!queue.claims().read(50));
    }

    void testTheCountsOfAnInstanceAreSummedAndTheNextOneBeginsWithNone() {
        ApplicationQueue queue(0, "blog", *channels_, store_);
        const CellRange cells = queue.allocate(3).value();
        write(queue, queue.allocate(1)->first, {0, 0, 1000, 1000});
        write(queue, cells.first, {0, 0, 3, 100});
        write(queue, cells.first + 1, {7, 9, 4, 300});
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{7}, queue.answered(cells).count);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{300}, queue.answered(cells).last);
        // Another instance has written behind the end of this one.
        queue.free(cells);
        write(queue, cells.first + 2, {0, 0, 5, 500});
        CPPUNIT_ASSERT_EQUAL(cells.first, queue.allocate(3)->first);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, queue.answered(cells).count);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{0}, queue.answered(cells).last);
    }

    void testADeathLeavesTheCountsAlone() {
        ApplicationQueue queue(0, "blog", *channels_, store_);
        const CellRange cells = queue.allocate(1).value();
        write(queue, cells.first, {7, 9, 4, 300});
        queue.claims().noteDeath(cells.first, false);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{7} | ClaimsLayout::DIED, queue.claims().read(cells.first)->channel);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{4}, queue.answered(cells).count);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{300}, queue.answered(cells).last);
    }

    void testAFalseTimeInTheInFlightTableDoesNotOverflow() {
        ApplicationQueue queue(0, "blog", *channels_, store_);
        const ChannelId channel = addChannel();
        const MonotonicTime invented{std::chrono::nanoseconds(INT64_MIN)};
        inFlightTable_->sending(inFlightTable_->allocate(), channel, Ticket(1), 0, invented);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, queue.waiting().size());
        CPPUNIT_ASSERT(queue.waiting().front() >= MonotonicTime());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ApplicationQueueTest);

}  // namespace Passenger
