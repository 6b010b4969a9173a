#include "apache2/response/ClientPace.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <thread>

#include "io/SocketPair.h"
#include "support/LeakCheck.h"

namespace Passenger {

using std::chrono::milliseconds;

class ClientPaceTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(ClientPaceTest);
    CPPUNIT_TEST(testASocketTakesAPieceWhenAllEarlierOnesAreSent);
    CPPUNIT_TEST(testEachPauseFlushesOnce);
    CPPUNIT_TEST(testTheEndOfALagFlushes);
    CPPUNIT_TEST(testAFullSocketTakesNoFlush);
    CPPUNIT_TEST(testAClientThatReadsNothingForTheTimeoutIsStuck);
    CPPUNIT_TEST(testAClientThatMayReadIsNotStuck);
    CPPUNIT_TEST(testAFullBufferWaitsForTheClientOnly);
    CPPUNIT_TEST(testAFullMemoryWaitsForTheClientBeforeAFile);
    CPPUNIT_TEST(testABufferWithRoomWaitsForAReplyToo);
    CPPUNIT_TEST(testRepliesComeBeforeTheNextPieceOfAFilterThatWaits);
    CPPUNIT_TEST(testAFilterThatWaitsGetsAPieceWhenTheBufferIsFull);
    CPPUNIT_TEST(testAFilterThatWaitsGetsEverythingWhenTheApplicationHasFinished);
    CPPUNIT_TEST(testAStreamTakesTheFirstPieceAtOnce);
    CPPUNIT_TEST(testAStreamTakesLittle);
    CPPUNIT_TEST(testAStreamTakesEverythingWhenTheApplicationHasFinished);
    CPPUNIT_TEST(testAStreamTakesAPieceATurnWhileTheApplicationPauses);
    CPPUNIT_TEST(testAStreamTakesNoPieceInAPauseWhileTheConnectionHasNoRoom);
    CPPUNIT_TEST(testAReplyEndsThePause);
    CPPUNIT_TEST(testAStreamTakesPiecesForAsLongAsAnApplicationWithShortPausesIsSilent);
    CPPUNIT_TEST(testAStreamTakesNoMorePiecesWhileTheConnectionHasNoRoom);
    CPPUNIT_TEST(testThePauseIsOverWhenAStreamHasTakenEverything);
    CPPUNIT_TEST(testTheLagOfAStreamOwesNoFlush);
    CPPUNIT_TEST(testAStreamIsNeverStuck);
    CPPUNIT_TEST_SUITE_END();

    static constexpr std::uint64_t MUCH = 1024 * 1024;
    static constexpr milliseconds LONG{600000};

    /** An application whose replies the test determines. */
    class Application : public ReplySource {
    public:
        bool replyWaiting() override { return replies; }
        void excuse(std::chrono::nanoseconds) override { ++excuses; }
        Waited awaitReply(int socket, Awaited, milliseconds timeout) override {
            ++waits;
            awaited = socket;
            patience = timeout;
            std::this_thread::sleep_for(silence);
            return {replies || silence > milliseconds(0), room};
        }

        bool replies = false;
        int waits = 0;
        int excuses = 0;
        int awaited = 0;
        milliseconds patience{-1};
        /** Passes before a reply is there. */
        milliseconds silence{0};
        bool room = false;
    };

    DescriptorPair client_;
    Application application_;

    void fill() const {
        const std::string bytes(4096, 'x');
        while (::send(client_.first.get(), bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) {
        }
    }

    /** A turn in which httpd gets one piece of a long answer over HTTP/2, and the client lags. */
    static void takeFirst(ClientPace &pace) {
        pace.beginTurn(false);
        CPPUNIT_ASSERT(pace.takes(true, MUCH));
        pace.count(1);
        CPPUNIT_ASSERT(!pace.takes(true, MUCH));
    }

    static void lag(ClientPace &pace) {
        pace.beginTurn(false);
        CPPUNIT_ASSERT(!pace.takes(false, 1));
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        client_ = makeStreamPair();
    }

    void tearDown() override {
        client_ = {};
        LeakCheck::tearDown();
    }

    void testASocketTakesAPieceWhenAllEarlierOnesAreSent() {
        ClientPace pace(client_.first.get(), LONG);
        pace.beginTurn(false);
        CPPUNIT_ASSERT(pace.takes(true, MUCH));
        CPPUNIT_ASSERT(pace.takes(true, MUCH));
        CPPUNIT_ASSERT(!pace.lags());
        CPPUNIT_ASSERT(!pace.takes(false, 1));
        CPPUNIT_ASSERT(pace.lags());
    }

    void testEachPauseFlushesOnce() {
        ClientPace pace(client_.first.get(), LONG);
        pace.beginTurn(false);
        CPPUNIT_ASSERT(!pace.takesFlush(false));
        for (int pause = 0; pause < 2; ++pause) {
            pace.beginTurn(true);
            CPPUNIT_ASSERT(pace.takesFlush(true));
            CPPUNIT_ASSERT(!pace.takesFlush(true));
        }
    }

    void testTheEndOfALagFlushes() {
        ClientPace pace(client_.first.get(), LONG);
        pace.beginTurn(true);
        CPPUNIT_ASSERT(pace.takesFlush(true));
        lag(pace);
        CPPUNIT_ASSERT(!pace.takesFlush(true));
        pace.beginTurn(false);
        CPPUNIT_ASSERT(pace.takes(true, 1));
        CPPUNIT_ASSERT(pace.takesFlush(false));
    }

    void testAFullSocketTakesNoFlush() {
        ClientPace pace(client_.first.get(), LONG);
        fill();
        pace.beginTurn(true);
        CPPUNIT_ASSERT(!pace.takesFlush(true));
        CPPUNIT_ASSERT(pace.lags());
    }

    void testAClientThatReadsNothingForTheTimeoutIsStuck() {
        ClientPace pace(client_.first.get(), milliseconds(0));
        fill();
        lag(pace);
        CPPUNIT_ASSERT(pace.isStuck());
    }

    void testAClientThatMayReadIsNotStuck() {
        ClientPace reads(client_.first.get(), milliseconds(0));
        lag(reads);
        CPPUNIT_ASSERT(!reads.isStuck());
        ClientPace hasTime(client_.first.get(), LONG);
        fill();
        lag(hasTime);
        CPPUNIT_ASSERT(!hasTime.isStuck());
    }

    void testAFullBufferWaitsForTheClientOnly() {
        ClientPace pace(client_.first.get(), LONG);
        lag(pace);
        application_.replies = true;
        CPPUNIT_ASSERT(!pace.awaitReply(application_, true, false));
        CPPUNIT_ASSERT_EQUAL(0, application_.waits);
        CPPUNIT_ASSERT_EQUAL(1, application_.excuses);
    }

    void testAFullMemoryWaitsForTheClientBeforeAFile() {
        ClientPace pace(client_.first.get(), LONG);
        pace.count(1000 * MUCH);  // Seconds of patience, of which a socket with room needs none.
        lag(pace);
        CPPUNIT_ASSERT(!pace.awaitReply(application_, false, true));
        CPPUNIT_ASSERT_EQUAL(0, application_.waits);
        CPPUNIT_ASSERT_EQUAL(1, application_.excuses);
    }

    void testABufferWithRoomWaitsForAReplyToo() {
        ClientPace pace(client_.first.get(), LONG);
        lag(pace);
        CPPUNIT_ASSERT(!pace.awaitReply(application_, false, false));
        application_.replies = true;
        CPPUNIT_ASSERT(pace.awaitReply(application_, false, false));
        CPPUNIT_ASSERT_EQUAL(2, application_.waits);
        CPPUNIT_ASSERT_EQUAL(client_.first.get(), application_.awaited);
        CPPUNIT_ASSERT_EQUAL(0, application_.excuses);
    }

    void testRepliesComeBeforeTheNextPieceOfAFilterThatWaits() {
        ClientPace pace(client_.first.get(), LONG);
        pace.note(milliseconds(1));
        pace.beginTurn(false);
        CPPUNIT_ASSERT(pace.takes(true, MUCH));
        pace.note(LONG);
        CPPUNIT_ASSERT(!pace.takes(true, MUCH));
        CPPUNIT_ASSERT(pace.lags());
        application_.replies = true;
        CPPUNIT_ASSERT(pace.awaitReply(application_, false, true));
        CPPUNIT_ASSERT_EQUAL(-1, application_.awaited);
        pace.beginTurn(false);
        CPPUNIT_ASSERT(!pace.takes(true, MUCH));
        application_.replies = false;
        CPPUNIT_ASSERT(!pace.awaitReply(application_, false, true));
        pace.beginTurn(true);
        CPPUNIT_ASSERT(pace.takes(true, MUCH));
    }

    void testAFilterThatWaitsGetsAPieceWhenTheBufferIsFull() {
        ClientPace pace(client_.first.get(), LONG);
        pace.note(LONG);
        lag(pace);
        application_.replies = true;
        CPPUNIT_ASSERT(!pace.awaitReply(application_, true, false));
        CPPUNIT_ASSERT_EQUAL(0, application_.waits);
        pace.beginTurn(true);
        CPPUNIT_ASSERT(pace.takes(true, MUCH));
    }

    void testAFilterThatWaitsGetsEverythingWhenTheApplicationHasFinished() {
        ClientPace pace(client_.first.get(), LONG);
        pace.note(LONG);
        pace.finish();
        pace.beginTurn(false);
        CPPUNIT_ASSERT(pace.takes(true, MUCH));
        CPPUNIT_ASSERT(!pace.lags());
    }

    void testAStreamTakesTheFirstPieceAtOnce() {
        ClientPace pace(-1, LONG);
        takeFirst(pace);
        CPPUNIT_ASSERT(pace.lags());
        pace.beginTurn(true);
        CPPUNIT_ASSERT(!pace.takes(true, MUCH));
        CPPUNIT_ASSERT(pace.lags());
    }

    void testAStreamTakesLittle() {
        ClientPace pace(-1, LONG);
        takeFirst(pace);
        pace.beginTurn(false);
        CPPUNIT_ASSERT(pace.takes(true, 16 * 1024));
        CPPUNIT_ASSERT(!pace.takes(true, 16 * 1024 + 1));
    }

    void testAStreamTakesEverythingWhenTheApplicationHasFinished() {
        ClientPace pace(-1, LONG);
        takeFirst(pace);
        pace.finish();
        pace.beginTurn(false);
        CPPUNIT_ASSERT(pace.takes(true, MUCH));
        CPPUNIT_ASSERT(pace.takes(true, MUCH));
        CPPUNIT_ASSERT(!pace.lags());
    }

    void testAStreamTakesAPieceATurnWhileTheApplicationPauses() {
        ClientPace pace(-1, LONG);
        takeFirst(pace);
        CPPUNIT_ASSERT(!pace.awaitReply(application_, false, false));
        CPPUNIT_ASSERT(application_.patience > milliseconds(0));
        pace.beginTurn(true);
        CPPUNIT_ASSERT(pace.takes(true, MUCH));
        CPPUNIT_ASSERT(!pace.takes(true, MUCH));
        CPPUNIT_ASSERT(!pace.awaitReply(application_, false, false));
        CPPUNIT_ASSERT(!pace.awaitReply(application_, true, false));
        CPPUNIT_ASSERT_EQUAL(1, application_.waits);
    }

    void testAStreamTakesNoPieceInAPauseWhileTheConnectionHasNoRoom() {
        ClientPace pace(-1, LONG, client_.first.get());
        takeFirst(pace);
        fill();
        for (int waits = 1; waits <= 2; waits++) {
            CPPUNIT_ASSERT(!pace.awaitReply(application_, false, false));
            CPPUNIT_ASSERT_EQUAL(waits, application_.waits);
            pace.beginTurn(true);
            CPPUNIT_ASSERT(!pace.takes(true, MUCH));
        }
        CPPUNIT_ASSERT(!pace.awaitReply(application_, true, false));
        pace.beginTurn(true);
        CPPUNIT_ASSERT(pace.takes(true, MUCH));
    }

    void testAReplyEndsThePause() {
        ClientPace pace(-1, LONG);
        takeFirst(pace);
        CPPUNIT_ASSERT(!pace.awaitReply(application_, false, false));
        application_.replies = true;
        CPPUNIT_ASSERT(pace.awaitReply(application_, false, false));
        pace.beginTurn(false);
        CPPUNIT_ASSERT(!pace.takes(true, MUCH));
    }

    void testAStreamTakesPiecesForAsLongAsAnApplicationWithShortPausesIsSilent() {
        ClientPace pace(-1, LONG);
        takeFirst(pace);
        application_.silence = milliseconds(10);
        for (int replies = 0; replies < 11; replies++) {
            CPPUNIT_ASSERT(pace.awaitReply(application_, false, false));
        }
        pace.beginTurn(false);
        CPPUNIT_ASSERT(pace.takes(true, MUCH));
        pace.note(milliseconds(0));
        CPPUNIT_ASSERT(pace.takes(true, MUCH));
        pace.note(milliseconds(50));
        CPPUNIT_ASSERT(!pace.takes(true, MUCH));
        CPPUNIT_ASSERT(pace.awaitReply(application_, false, false));
        CPPUNIT_ASSERT(application_.patience > milliseconds(20));
        CPPUNIT_ASSERT_EQUAL(-1, application_.awaited);
    }

    void testAStreamTakesNoMorePiecesWhileTheConnectionHasNoRoom() {
        ClientPace pace(-1, LONG, client_.first.get());
        takeFirst(pace);
        application_.silence = milliseconds(110);
        CPPUNIT_ASSERT(pace.awaitReply(application_, false, false));
        pace.beginTurn(false);
        CPPUNIT_ASSERT(pace.takes(true, MUCH));
        fill();
        CPPUNIT_ASSERT(!pace.takes(true, MUCH));
        CPPUNIT_ASSERT(pace.awaitReply(application_, false, false));
        CPPUNIT_ASSERT_EQUAL(client_.first.get(), application_.awaited);
        pace.beginTurn(false);
        CPPUNIT_ASSERT(!pace.takes(true, MUCH));
        application_.room = true;
        application_.silence = milliseconds(0);
        CPPUNIT_ASSERT(!pace.awaitReply(application_, false, false));
        pace.beginTurn(false);
        CPPUNIT_ASSERT(pace.takes(true, MUCH));
        CPPUNIT_ASSERT(!pace.takes(true, MUCH));
    }

    void testThePauseIsOverWhenAStreamHasTakenEverything() {
        ClientPace pace(-1, LONG);
        takeFirst(pace);
        CPPUNIT_ASSERT(!pace.awaitReply(application_, false, false));
        pace.beginTurn(true);
        CPPUNIT_ASSERT(pace.takes(true, 1));
        CPPUNIT_ASSERT(!pace.lags());
        pace.beginTurn(false);
        CPPUNIT_ASSERT(!pace.takes(true, MUCH));
    }

    void testTheLagOfAStreamOwesNoFlush() {
        ClientPace pace(-1, LONG);
        pace.beginTurn(true);
        CPPUNIT_ASSERT(pace.takesFlush(true));
        takeFirst(pace);
        pace.finish();
        pace.beginTurn(false);
        CPPUNIT_ASSERT(pace.takes(true, MUCH));
        CPPUNIT_ASSERT(!pace.takesFlush(false));
    }

    void testAStreamIsNeverStuck() {
        ClientPace pace(-1, milliseconds(0));
        takeFirst(pace);
        CPPUNIT_ASSERT(!pace.isStuck());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ClientPaceTest);

}  // namespace Passenger
