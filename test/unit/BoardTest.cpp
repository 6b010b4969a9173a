#include "shm/Board.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io/SocketPair.h"
#include "support/Expect.h"
#include "support/LeakCheck.h"

namespace Passenger {

class BoardTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(BoardTest);
    CPPUNIT_TEST(testAnExchangeIsShownFromItsSendingToItsEnd);
    CPPUNIT_TEST(testAGroupSeesItsOwnExchangesOnly);
    CPPUNIT_TEST(testTheFirstFreeEntryIsGivenOut);
    CPPUNIT_TEST(testAReleasedEntryShowsNothing);
    CPPUNIT_TEST(testThereAreSoManyEntries);
    CPPUNIT_TEST(testItSaysHowManyEntriesWereEverUsed);
    CPPUNIT_TEST(testEntriesThatWereNeverUsedAreNotRead);
    CPPUNIT_TEST(testMoreEntriesThanThereAreCannotBeUsed);
    CPPUNIT_TEST(testAnUnknownStateIsNothingInFlight);
    CPPUNIT_TEST(testAFileThatIsNotSealedIsRefused);
    CPPUNIT_TEST(testAShortFileIsRefused);
    CPPUNIT_TEST(testWhatIsNoFileIsRefused);
    CPPUNIT_TEST_SUITE_END();

    static BoardReader reader(const Board &board) {
        return BoardReader(board.memory().descriptor().duplicate());
    }

public:
    void testAnExchangeIsShownFromItsSendingToItsEnd() {
        Board board;
        const BoardReader agent = reader(board);
        const std::uint32_t entry = board.allocate();
        CPPUNIT_ASSERT(agent.inFlight(2).empty());
        board.sending(entry, ChannelId(7), Ticket(9), 2, MonotonicTime(std::chrono::nanoseconds(11)));
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, agent.inFlight(2).size());
        const BoardEntry shown = agent.inFlight(2).front();
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{7}, shown.channel);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{9}, shown.ticket);
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{11}, shown.since);
        CPPUNIT_ASSERT(shown.state == BoardState::SENDING);
        board.sent(entry);
        CPPUNIT_ASSERT(agent.inFlight(2).front().state == BoardState::SENT);
        board.done(entry);
        CPPUNIT_ASSERT(agent.inFlight(2).empty());
    }

    void testAGroupSeesItsOwnExchangesOnly() {
        Board board;
        board.sending(board.allocate(), ChannelId(7), Ticket(9), 2, MonotonicTime());
        board.sending(board.allocate(), ChannelId(8), Ticket(1), 3, MonotonicTime());
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, reader(board).inFlight(3).size());
        CPPUNIT_ASSERT_EQUAL(std::uint64_t{8}, reader(board).inFlight(3).front().channel);
    }

    void testTheFirstFreeEntryIsGivenOut() {
        Board board;
        for (std::uint32_t i = 0; i < 70; i++) {
            CPPUNIT_ASSERT_EQUAL(i, board.allocate());
        }
        for (const std::uint32_t entry : {65U, 3U, 66U}) {
            board.release(entry);
        }
        for (const std::uint32_t entry : {3U, 65U, 66U, 70U}) {
            CPPUNIT_ASSERT_EQUAL(entry, board.allocate());
        }
    }

    void testAReleasedEntryShowsNothing() {
        Board board;
        const std::uint32_t entry = board.allocate();
        board.sending(entry, ChannelId(7), Ticket(9), 2, MonotonicTime());
        board.release(entry);
        CPPUNIT_ASSERT(reader(board).inFlight(2).empty());
    }

    void testThereAreSoManyEntries() {
        Board board;
        for (std::uint32_t i = 0; i < BoardLayout::ENTRIES; i++) {
            board.allocate();
        }
        thrownBy<IOException>([&] { board.allocate(); });
        board.release(17);
        CPPUNIT_ASSERT_EQUAL(17U, board.allocate());
    }

    void testItSaysHowManyEntriesWereEverUsed() {
        Board board;
        CPPUNIT_ASSERT_EQUAL(0U, board.memory().readU32(12));
        board.allocate();
        board.allocate();
        CPPUNIT_ASSERT_EQUAL(2U, board.memory().readU32(12));
        board.release(1);
        board.release(0);
        CPPUNIT_ASSERT_EQUAL(2U, board.memory().readU32(12));
        board.allocate();
        CPPUNIT_ASSERT_EQUAL(2U, board.memory().readU32(12));
    }

    void testEntriesThatWereNeverUsedAreNotRead() {
        Board board;
        board.allocate();
        board.sending(1, ChannelId(7), Ticket(9), 2, MonotonicTime());
        CPPUNIT_ASSERT(reader(board).inFlight(2).empty());
        board.allocate();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, reader(board).inFlight(2).size());
    }

    void testMoreEntriesThanThereAreCannotBeUsed() {
        Board board;
        board.sending(BoardLayout::ENTRIES - 1, ChannelId(7), Ticket(9), 2, MonotonicTime());
        const std::uint32_t nonsense = UINT32_MAX;
        CPPUNIT_ASSERT(::pwrite(board.memory().descriptor().get(), &nonsense, sizeof(nonsense), 12) > 0);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, reader(board).inFlight(2).size());
    }

    void testAnUnknownStateIsNothingInFlight() {
        Board board;
        board.allocate();
        const BoardEntry nonsense{7, 9, 0, 2, static_cast<BoardState>(99)};
        CPPUNIT_ASSERT(
            ::pwrite(board.memory().descriptor().get(), &nonsense, sizeof(nonsense), BoardLayout::offset(0)) > 0);
        CPPUNIT_ASSERT(reader(board).inFlight(2).empty());
    }

    void testAFileThatIsNotSealedIsRefused() {
        FileDescriptor loose(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
        CPPUNIT_ASSERT_EQUAL(0, ::ftruncate(loose.get(), BoardLayout::SIZE));
        thrownBy<ProtocolException>([&] { BoardReader agent(std::move(loose)); });
    }

    void testAShortFileIsRefused() {
        const SharedMemory memory("test", BoardLayout::SIZE - 1);
        thrownBy<ProtocolException>([&] { BoardReader agent(memory.descriptor().duplicate()); });
    }

    void testWhatIsNoFileIsRefused() {
        DescriptorPair pair = makeStreamPair();
        thrownBy<ProtocolException>([&] { BoardReader agent(std::move(pair.first)); });
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(BoardTest);

}  // namespace Passenger
