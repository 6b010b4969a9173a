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
    CPPUNIT_TEST(testNoCellIsTakenIfNoDescriptorIsLeft);
    CPPUNIT_TEST(testAnInstanceIsRefusedIfNoCellIsLeft);
    CPPUNIT_TEST(testTheCellsOfADeadInstanceAreReusedOnceItsRequestIsReportedLost);
    CPPUNIT_TEST(testIfTheChildCannotBeToldTheClaimIsMarkedAsDied);
    CPPUNIT_TEST(testACellMarkedAsDiedIsReusedOnceItsRequestIsNoLongerInFlight);
    CPPUNIT_TEST(testClaimsInFreeCellsAreClearedWhenTheNextInstanceEnds);
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
        CPPUNIT_ASSERT(::pwrite(queue.cells().claims().memory().descriptor().get(), &value, sizeof(value), offset) > 0);
    }
    /** Allocates one cell and writes this claim into it. */
    static CellRange claimed(ApplicationQueue &queue, ChannelId channel, Ticket ticket) {
        const CellRange cells = queue.cells().allocate(1).value();
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
        CPPUNIT_ASSERT_EQUAL(0U, queue.cells().allocate(1)->first);
    }

    void testAnInstanceIsRefusedIfNoCellIsLeft() {
        ApplicationQueue queue(0, "blog", *channels_, store_);
        CPPUNIT_ASSERT(queue.cells().allocate(ClaimsLayout::CELLS - 32));
        CPPUNIT_ASSERT_EQUAL(32U, queue.handOver(nullptr, 64, 32).cells.count);
        CPPUNIT_ASSERT_THROW(queue.handOver(nullptr, 64, 32), SpawnException);
    }

    void testTheCellsOfADeadInstanceAreReusedOnceItsRequestIsReportedLost() {
        ApplicationQueue queue(0, "blog", *channels_, store_);
        queue.giveUp(claimed(queue, addChannel(), Ticket(9)));
        MessageHeader header{};
        CPPUNIT_ASSERT(::recv(child_.get(), &header, sizeof(header), MSG_DONTWAIT) > 0);
        CPPUNIT_ASSERT(header.type == MessageType::LOST);
        CPPUNIT_ASSERT_EQUAL(0U, queue.cells().allocate(1)->first);
    }

    void testIfTheChildCannotBeToldTheClaimIsMarkedAsDied() {
        ApplicationQueue queue(0, "blog", *channels_, store_);
        const ChannelId channel = addChannel();
        fillChannel();
        queue.giveUp(claimed(queue, channel, Ticket(9)));
        const ClaimsView view(queue.cells().claims().memory().descriptor());
        CPPUNIT_ASSERT(view.died(channel, Ticket(9)));
        CPPUNIT_ASSERT_EQUAL(0U, queue.cells().claims().taken());
    }

    void testACellMarkedAsDiedIsReusedOnceItsRequestIsNoLongerInFlight() {
        ApplicationQueue queue(0, "blog", *channels_, store_);
        const ChannelId channel = addChannel();
        fillChannel();
        const std::uint32_t entry = inFlightTable_->allocate();
        inFlightTable_->sending(entry, channel, Ticket(9), 0, MonotonicTime(std::chrono::seconds(1)));
        inFlightTable_->sent(entry);
        queue.giveUp(claimed(queue, channel, Ticket(9)));
        CPPUNIT_ASSERT_EQUAL(1U, queue.handOver(nullptr, 1, 1).cells.first);
        inFlightTable_->done(entry);
        CPPUNIT_ASSERT_EQUAL(0U, queue.handOver(nullptr, 1, 1).cells.first);
    }

    void testClaimsInFreeCellsAreClearedWhenTheNextInstanceEnds() {
        ApplicationQueue queue(0, "blog", *channels_, store_);
        const auto ending = queue.cells().allocate(1);
        const auto other = queue.cells().allocate(1);
        claim(queue, other->first);
        claim(queue, 50);
        queue.giveUp(*ending);
        CPPUNIT_ASSERT(queue.cells().claims().read(other->first));
        CPPUNIT_ASSERT(!queue.cells().claims().read(50));
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
