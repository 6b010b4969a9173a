#include "client/AgentConnector.h"

#include <cppunit/extensions/HelperMacros.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <exception>
#include <vector>

#include "base/Exceptions.h"
#include "base/Poll.h"
#include "exchange/QueueHost.h"
#include "io/Frame.h"
#include "io/SocketPair.h"
#include "support/Expect.h"
#include "support/LeakCheck.h"

namespace Passenger {

namespace {

using std::chrono::milliseconds;

constexpr std::chrono::seconds LIMIT{60};

/** The agent's side of a connection: receives a wake-up, and sends one end of a socket pair.
 *  @return the other end */
FrameSocket acceptClient(const FileDescriptor &serverSocket) {
    char byte[1];
    if (receiveWithDescriptors(serverSocket, byte).size != 1) {
        throw EndOfFileException("no wake-up");
    }
    DescriptorPair pair = makeStreamPair();
    const int end = pair.second.get();
    sendWithDescriptors(serverSocket, "!", {&end, 1});
    return FrameSocket(std::move(pair.first));
}

/** Runs in a forked process: connects, and sends its number over each connection, which must come
 *  back. */
[[noreturn]] void connectOften(const FileDescriptor &connectSocket, std::uint64_t number, int times) {
    try {
        for (int i = 0; i < times; ++i) {
            auto socket = connectToAgent(connectSocket, FrameSocket::in(LIMIT));
            Frame hello(FrameType::HELLO);
            hello.add(number);
            socket.send(hello, FrameSocket::in(LIMIT));
            if (socket.receive(FrameSocket::in(LIMIT)).number(0) != number) {
                ::_exit(2);
            }
        }
    } catch (const std::exception &) {
        ::_exit(1);
    }
    ::_exit(0);
}

}  // namespace

class AgentConnectorTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(AgentConnectorTest);
    CPPUNIT_TEST(testManyProcessesGetAPrivateSocketEachAtOnce);
    CPPUNIT_TEST(testALostWakeUpIsSentAgain);
    CPPUNIT_TEST(testAnAgentThatDoesNotAnswerIsATimeout);
    CPPUNIT_TEST(testAFullQueueOfWakeUpsDoesNotPreventAConnection);
    CPPUNIT_TEST(testAnAgentThatIsGoneIsAnError);
    CPPUNIT_TEST(testAnAgentThatEndsDuringTheConnectionIsAnError);
    CPPUNIT_TEST(testAnAgentWithoutADescriptorRefusesAtOnce);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        LeakCheck::setUp();
        pair_ = makeSeqPacketPair();
    }

    void tearDown() override {
        pair_ = DescriptorPair();
        LeakCheck::tearDown();
    }

    void testManyProcessesGetAPrivateSocketEachAtOnce() {
        constexpr int PROCESSES = 8;
        constexpr int TIMES = 25;
        std::vector<pid_t> children;
        for (int i = 0; i < PROCESSES; ++i) {
            const pid_t child = ::fork();
            if (child == 0) {
                pair_.first.reset();
                connectOften(pair_.second, static_cast<std::uint64_t>(i), TIMES);
            }
            children.push_back(child);
        }

        std::vector<int> connections(PROCESSES, 0);
        int accepted = 0;
        while (accepted < PROCESSES * TIMES || !waiting_.empty()) {
            CPPUNIT_ASSERT(pollAll());
            while (pollUntil(pair_.first.get(), POLLIN, FrameSocket::Deadline::min()) && accepted < PROCESSES * TIMES) {
                waiting_.push_back(acceptClient(pair_.first));
                ++accepted;
            }
            echo(connections);
        }

        for (const pid_t child : children) {
            int status = -1;
            ::waitpid(child, &status, 0);
            CPPUNIT_ASSERT_EQUAL(0, status);
        }
        CPPUNIT_ASSERT(std::vector<int>(PROCESSES, TIMES) == connections);
    }

    void testALostWakeUpIsSentAgain() {
        const pid_t child = ::fork();
        if (child == 0) {
            pair_.first.reset();
            connectOften(pair_.second, 1, 1);
        }
        char byte[1];
        receiveWithDescriptors(pair_.first, byte);
        FrameSocket client = acceptClient(pair_.first);
        client.send(client.receive(FrameSocket::in(LIMIT)), FrameSocket::in(LIMIT));
        int status = -1;
        ::waitpid(child, &status, 0);
        CPPUNIT_ASSERT_EQUAL(0, status);
    }

    void testAnAgentThatDoesNotAnswerIsATimeout() {
        thrownBy<TimeoutException>([this] { connectToAgent(pair_.second, FrameSocket::in(milliseconds(20))); });
    }

    void testAFullQueueOfWakeUpsDoesNotPreventAConnection() {
        // The answer to another process's wake-up waits. The queue has no room for this process's
        // own wake-up.
        sendWithDescriptors(pair_.second, "!", {});
        const FrameSocket accepted = acceptClient(pair_.first);
        errorOf([this] {
            for (;;) {
                sendWithDescriptors(pair_.second, "!", {}, MSG_DONTWAIT);
            }
        });
        CPPUNIT_ASSERT(connectToAgent(pair_.second, FrameSocket::in(LIMIT)));
        thrownBy<TimeoutException>([this] { connectToAgent(pair_.second, FrameSocket::in(milliseconds(20))); });
    }

    void testAnAgentThatIsGoneIsAnError() {
        pair_.first.reset();
        const auto exception = thrownBy<IOException>([this] { connectToAgent(pair_.second, FrameSocket::in(LIMIT)); });
        CPPUNIT_ASSERT(std::string(exception.what()).find("has ended") != std::string::npos);
    }

    void testAnAgentThatEndsDuringTheConnectionIsAnError() {
        const pid_t child = ::fork();
        if (child == 0) {
            pair_.first.reset();
            try {
                connectToAgent(pair_.second, FrameSocket::in(LIMIT));
            } catch (const TimeoutException &) {
                ::_exit(2);
            } catch (const IOException &) {
                ::_exit(0);
            }
            ::_exit(1);
        }
        char byte[1];
        receiveWithDescriptors(pair_.first, byte);
        pair_.first.reset();
        int status = -1;
        ::waitpid(child, &status, 0);
        CPPUNIT_ASSERT_EQUAL(0, status);
    }

private:
    /** Waits for a wake-up or a frame. */
    bool pollAll() const {
        std::vector<pollfd> entries{{pair_.first.get(), POLLIN, 0}};
        for (const auto &socket : waiting_) {
            entries.push_back({socket.descriptor().get(), POLLIN, 0});
        }
        return ::poll(entries.data(), entries.size(), 60000) > 0;
    }

    /** Sends each frame that has arrived on an accepted socket back, one for each socket. */
    void echo(std::vector<int> &connections) {
        for (auto socket = waiting_.begin(); socket != waiting_.end();) {
            auto frame = socket->tryReceive();
            if (!frame) {
                ++socket;
                continue;
            }
            connections.at(frame->number(0))++;
            socket->send(*frame, FrameSocket::in(LIMIT));
            socket = waiting_.erase(socket);
        }
    }

    DescriptorPair pair_;
    std::vector<FrameSocket> waiting_;

    void testAnAgentWithoutADescriptorRefusesAtOnce() {
        sendWithDescriptors(pair_.first, std::string_view(&CONNECTION_REFUSED, 1), {});
        const auto error =
            thrownBy<DescriptorShortageException>([this] { connectToAgent(pair_.second, FrameSocket::in(LIMIT)); });
        CPPUNIT_ASSERT_EQUAL(std::uint16_t{503}, error.status());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(AgentConnectorTest);

}  // namespace Passenger
