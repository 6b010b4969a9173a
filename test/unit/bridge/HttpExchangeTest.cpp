#include "bridge/HttpExchange.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/socket.h>

#include <chrono>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>

#include "base/LogLimit.h"
#include "support/CapturedLog.h"
#include "support/Eventually.h"
#include "support/IntakeFixture.h"

namespace Passenger::Bridge {

using namespace std::chrono_literals;

/** Requests that wait for something else than the answer, in a bridge's loop. */
class HttpExchangeTest : public IntakeFixture {
    CPPUNIT_TEST_SUITE(HttpExchangeTest);
    CPPUNIT_TEST(testARequestIsClaimedWhenItsChannelIsThere);
    CPPUNIT_TEST(testManyRequestsThatAreRefusedLeaveFewLinesInTheLog);
    CPPUNIT_TEST(testAServerThatComesBackGetsTheRequest);
    CPPUNIT_TEST(testABodyOfUnknownLengthEnds);
    CPPUNIT_TEST(testASilentApplicationIsTakenToWaitForTheBody);
    CPPUNIT_TEST(testAnAnswerUntilTheEndIsWholeOnlyIfTheApplicationLives);
    CPPUNIT_TEST_SUITE_END();

    static void sendBody(const FileDescriptor &channel, std::string_view bytes, bool last) {
        MessageHeader header{};
        header.ticket = 1;
        header.type = MessageType::BODY;
        header.flags = last ? LAST : 0;
        std::string message(reinterpret_cast<const char *>(&header), sizeof(header));
        message += bytes;
        sendWithDescriptors(channel, message, {});
    }

    static std::string read(const FileDescriptor &connection, std::size_t size) {
        std::string bytes(size, '\0');
        const ssize_t got = ::recv(connection.get(), bytes.data(), size, MSG_WAITALL);
        bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        return bytes;
    }

    static void expectAnswer(Bridge &bridge, const FileDescriptor &channel, const FileDescriptor &connection) {
        Application::answer(connection, "hello");
        CPPUNIT_ASSERT_EQUAL(std::string("hello"), receive(channel).body);
        CPPUNIT_ASSERT(eventually([&] { return bridge.inWork() == 0; }));
    }

public:
    void testARequestIsClaimedWhenItsChannelIsThere() {
        const Agent agent;
        Bridge bridge(agent.handover(10));
        for (const std::uint64_t id : {1, 2, 3}) {
            ask(agent.queue, id, "/" + std::to_string(id));
        }
        CPPUNIT_ASSERT(eventually([&] { return bridge.asked == 3; }));
        CPPUNIT_ASSERT_EQUAL(std::size_t{3}, bridge.inWork());
        CPPUNIT_ASSERT_EQUAL(0U, agent.claims.taken());
        const FileDescriptor channel = bridge.channel(2);
        const FileDescriptor connection = bridge.app.accept();
        CPPUNIT_ASSERT_EQUAL(std::string("/2"), Application::path(connection));
        CPPUNIT_ASSERT(agent.claims.holds(ChannelId(2), Ticket(1)));
        bridge.order([&] {
            bridge.channels.refuse(1);
            bridge.intake.searchAgain();
        });
        // On a busy machine the third one may have been given up already.
        CPPUNIT_ASSERT(eventually([&] { return bridge.inWork() <= 2; }));
        // The third one finds no answer in time.
        CPPUNIT_ASSERT(eventually([&] { return bridge.inWork() == 1; }));
        CPPUNIT_ASSERT_EQUAL(1U, agent.claims.taken());
        expectAnswer(bridge, channel, connection);
        CPPUNIT_ASSERT_EQUAL(1, bridge.answered.load());
    }

    void testManyRequestsThatAreRefusedLeaveFewLinesInTheLog() {
        const Agent agent;
        Bridge bridge(agent.handover(10));
        const FileDescriptor channel = bridge.channel(1);
        const CapturedLog log;
        for (unsigned i = 0; i < 2 * LogLimit::LINES; i++) {
            ask(agent.queue, 1, "not a target");
            CPPUNIT_ASSERT_EQUAL(std::string("Bad Request"), receive(channel).body);
        }
        CPPUNIT_ASSERT(log.count("event=request.refused") <= LogLimit::LINES);
    }

    void testAServerThatComesBackGetsTheRequest() {
        const Agent agent;
        Bridge bridge(agent.handover(10));
        bridge.app.listener.reset();
        const FileDescriptor channel = bridge.channel(1);
        ask(agent.queue, 1, "/");
        CPPUNIT_ASSERT(eventually([&] { return agent.claims.holds(ChannelId(1), Ticket(1)); }));
        std::this_thread::sleep_for(200ms);
        bridge.app.listen();
        const FileDescriptor connection = bridge.app.accept();
        CPPUNIT_ASSERT_EQUAL(std::string("/"), Application::path(connection));
        expectAnswer(bridge, channel, connection);
    }

    void testABodyOfUnknownLengthEnds() {
        const Agent agent;
        Bridge bridge(agent.handover(10));
        const FileDescriptor channel = bridge.channel(1);
        for (const bool endsByItself : {false, true}) {
            ask(agent.queue, 1, "/", BODY_FOLLOWS, {{"HTTP_TRANSFER_ENCODING", "chunked"}});
            sendBody(channel, "body", !endsByItself);
            if (endsByItself) {
                sendBody(channel, "", true);
            }
            const FileDescriptor connection = bridge.app.accept();
            CPPUNIT_ASSERT_EQUAL(std::string("/"), Application::path(connection));
            CPPUNIT_ASSERT_EQUAL(std::string("4\r\nbody\r\n0\r\n\r\n"), read(connection, 14));
            expectAnswer(bridge, channel, connection);
            Application::answer(connection, "ends it");
            CPPUNIT_ASSERT_EQUAL(std::string(), Application::path(connection));
        }
    }

    void testASilentApplicationIsTakenToWaitForTheBody() {
        const Agent agent;
        Bridge bridge(agent.handover(10));
        const FileDescriptor channel = bridge.channel(1);
        ask(agent.queue, 1, "/", BODY_FOLLOWS, {{"CONTENT_LENGTH", "4"}, {"HTTP_EXPECT", "100-continue"}});
        const FileDescriptor connection = bridge.app.accept();
        CPPUNIT_ASSERT_EQUAL(std::string("/"), Application::path(connection));
        MessageHeader header{};
        CPPUNIT_ASSERT_EQUAL(static_cast<ssize_t>(sizeof(header)), ::recv(channel.get(), &header, sizeof(header), 0));
        CPPUNIT_ASSERT(header.type == MessageType::INTERIM);
        CPPUNIT_ASSERT_EQUAL(100U, unsigned{header.status});
        sendBody(channel, "body", true);
        CPPUNIT_ASSERT_EQUAL(std::string("body"), read(connection, 4));
        expectAnswer(bridge, channel, connection);
    }

    /** The claim of a request of a dead application stays, so that the agent tells its child. */
    void testAnAnswerUntilTheEndIsWholeOnlyIfTheApplicationLives() {
        const Agent agent;
        Bridge bridge(agent.handover(10));
        for (const bool lives : {true, false}) {
            const FileDescriptor channel = bridge.channel(lives ? 1 : 2);
            ask(agent.queue, lives ? 1 : 2, "/");
            FileDescriptor connection = bridge.app.accept();
            CPPUNIT_ASSERT_EQUAL(std::string("/"), Application::path(connection));
            constexpr std::string_view ANSWER = "HTTP/1.0 200 OK\r\n\r\nhello";
            CPPUNIT_ASSERT_EQUAL(static_cast<ssize_t>(ANSWER.size()),
                                 ::send(connection.get(), ANSWER.data(), ANSWER.size(), MSG_NOSIGNAL));
            if (!lives) {
                bridge.order([&] { bridge.relays.noteDeathOfApplication(); });
            }
            connection.reset();
            if (lives) {
                CPPUNIT_ASSERT_EQUAL(std::string("hello"), receive(channel).body);
            } else {
                std::this_thread::sleep_for(200ms);
                CPPUNIT_ASSERT(agent.claims.holds(ChannelId(2), Ticket(1)));
                ::shutdown(channel.get(), SHUT_RDWR);
            }
            CPPUNIT_ASSERT(eventually([&] { return bridge.inWork() == 0; }));
            CPPUNIT_ASSERT_EQUAL(0U, agent.claims.taken());
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(HttpExchangeTest);

}  // namespace Passenger::Bridge
