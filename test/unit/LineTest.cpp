#include "pool/Line.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>

#include "io/ReplyChannel.h"
#include "io/SocketPair.h"
#include "support/LeakCheck.h"

namespace Passenger {

class LineTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(LineTest);
    CPPUNIT_TEST(testInstancesGetCellsOfTheirOwn);
    CPPUNIT_TEST(testFreedCellsAreGivenOutAgainWithoutTheirClaims);
    CPPUNIT_TEST(testCellsComeInARow);
    CPPUNIT_TEST(testThereAreNoMoreThanThat);
    CPPUNIT_TEST(testTheCellsOfADeadInstanceAreGivenOutAgainOnceItsRequestIsKnownAsLost);
    CPPUNIT_TEST(testWhereTheChildCannotBeToldTheClaimSaysThatItsInstanceDied);
    CPPUNIT_TEST(testSuchACellIsGivenOutAgainOnceNobodyWaitsForTheAnswer);
    CPPUNIT_TEST(testClaimsInCellsOfNobodyEndWithTheNextInstance);
    CPPUNIT_TEST(testATimeThatABoardInventsIsNoneThatOverflows);
    CPPUNIT_TEST_SUITE_END();

    // Made in setUp(): fixtures are made for all tests before the first one runs, and there should be no threads yet.
    std::optional<EventLoop> loop_;
    std::optional<ChannelRegistry> channels_;
    NoDeposits deposits_;
    std::unique_ptr<Board> board_;
    FileDescriptor child_;
    FileDescriptor instance_;

    /** A channel for the line in slot 0. */
    ChannelId addChannel() {
        DescriptorPair pair = makeSeqPacketPair();
        child_ = std::move(pair.first);
        instance_ = pair.second.duplicate();
        board_ = std::make_unique<Board>();
        const std::uint32_t sender = channels_->addSender(BoardReader(board_->memory().descriptor().duplicate()));
        return channels_->add(std::move(pair.second), sender, 0);
    }
    void fillChannel() {
        while (notifyChannel(instance_, MessageHeader{}, std::string(60000, 'x'))) {
        }
    }
    /** One cell, with this claim in it. */
    static CellRange claimed(Line &line, ChannelId channel, Ticket ticket) {
        const CellRange cells = line.allocate(1).value();
        const ClaimCell claim{channel.value(), ticket.value()};
        const auto offset = static_cast<off_t>(ClaimsLayout::offset(cells.first));
        CPPUNIT_ASSERT(::pwrite(line.claims().memory().descriptor().get(), &claim, sizeof(claim), offset) > 0);
        return cells;
    }

    static void claim(Line &line, std::uint32_t cell) {
        const ClaimCell claim{7, 9};
        CPPUNIT_ASSERT(
            ::pwrite(line.claims().memory().descriptor().get(), &claim, sizeof(claim), ClaimsLayout::offset(cell)) > 0);
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        loop_.emplace();
        channels_.emplace(*loop_);
    }
    void tearDown() override {
        channels_->removeSender(0);
        board_.reset();
        child_.reset();
        instance_.reset();
        channels_.reset();
        loop_.reset();
        LeakCheck::tearDown();
    }

    void testInstancesGetCellsOfTheirOwn() {
        Line line(0, "blog", *channels_, deposits_);
        CPPUNIT_ASSERT_EQUAL(0U, line.allocate(3)->first);
        CPPUNIT_ASSERT_EQUAL(3U, line.allocate(1)->first);
    }

    void testFreedCellsAreGivenOutAgainWithoutTheirClaims() {
        Line line(0, "blog", *channels_, deposits_);
        const auto cells = line.allocate(2);
        claim(line, 1);
        line.free(*cells);
        CPPUNIT_ASSERT_EQUAL(0U, line.claims().taken());
        CPPUNIT_ASSERT_EQUAL(0U, line.allocate(2)->first);
    }

    void testCellsComeInARow() {
        Line line(0, "blog", *channels_, deposits_);
        const auto first = line.allocate(2);
        line.allocate(1);
        line.free(*first);
        CPPUNIT_ASSERT_EQUAL(3U, line.allocate(3)->first);
        CPPUNIT_ASSERT_EQUAL(0U, line.allocate(2)->first);
    }

    void testThereAreNoMoreThanThat() {
        Line line(0, "blog", *channels_, deposits_);
        CPPUNIT_ASSERT(line.allocate(ClaimsLayout::CELLS));
        CPPUNIT_ASSERT(!line.allocate(1));
        Line other(1, "shop", *channels_, deposits_);
        CPPUNIT_ASSERT(!other.allocate(ClaimsLayout::CELLS + 1));
    }

    void testTheCellsOfADeadInstanceAreGivenOutAgainOnceItsRequestIsKnownAsLost() {
        Line line(0, "blog", *channels_, deposits_);
        line.giveUp(claimed(line, addChannel(), Ticket(9)));
        MessageHeader header{};
        CPPUNIT_ASSERT(::recv(child_.get(), &header, sizeof(header), MSG_DONTWAIT) > 0);
        CPPUNIT_ASSERT(header.type == MessageType::LOST);
        CPPUNIT_ASSERT_EQUAL(0U, line.allocate(1)->first);
    }

    void testWhereTheChildCannotBeToldTheClaimSaysThatItsInstanceDied() {
        Line line(0, "blog", *channels_, deposits_);
        const ChannelId channel = addChannel();
        fillChannel();
        line.giveUp(claimed(line, channel, Ticket(9)));
        const ClaimsView view(line.claims().memory().descriptor());
        CPPUNIT_ASSERT(view.died(channel, Ticket(9)));
        CPPUNIT_ASSERT_EQUAL(0U, line.claims().taken());
    }

    void testSuchACellIsGivenOutAgainOnceNobodyWaitsForTheAnswer() {
        Line line(0, "blog", *channels_, deposits_);
        const ChannelId channel = addChannel();
        fillChannel();
        const std::uint32_t entry = board_->allocate();
        board_->sending(entry, channel, Ticket(9), 0, MonotonicTime(std::chrono::seconds(1)));
        board_->sent(entry);
        line.giveUp(claimed(line, channel, Ticket(9)));
        CPPUNIT_ASSERT_EQUAL(1U, line.allocate(1)->first);
        board_->done(entry);
        CPPUNIT_ASSERT_EQUAL(0U, line.allocate(1)->first);
    }

    void testClaimsInCellsOfNobodyEndWithTheNextInstance() {
        Line line(0, "blog", *channels_, deposits_);
        const auto ending = line.allocate(1);
        const auto other = line.allocate(1);
        claim(line, other->first);
        claim(line, 1000);
        line.giveUp(*ending);
        CPPUNIT_ASSERT(line.claims().read(other->first));
        CPPUNIT_ASSERT(!line.claims().read(1000));
    }

    void testATimeThatABoardInventsIsNoneThatOverflows() {
        Line line(0, "blog", *channels_, deposits_);
        const ChannelId channel = addChannel();
        const MonotonicTime invented{std::chrono::nanoseconds(INT64_MIN)};
        board_->sending(board_->allocate(), channel, Ticket(1), 0, invented);
        CPPUNIT_ASSERT_EQUAL(1U, line.waiting().count);
        CPPUNIT_ASSERT(*line.waiting().since >= MonotonicTime());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(LineTest);

}  // namespace Passenger
