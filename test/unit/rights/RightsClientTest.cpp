#include "rights/RightsClient.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <utility>

#include "base/Exceptions.h"
#include "base/PidFd.h"
#include "io/AgentFailure.h"
#include "io/SocketPair.h"
#include "support/CapturedLog.h"
#include "support/NoDescriptors.h"

namespace Passenger {

/** This test is the rights process. */
class RightsClientTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(RightsClientTest);
    CPPUNIT_TEST(testASignalThatIsNotTakenIsSentLater);
    CPPUNIT_TEST(testASignalThatCannotBeKeptIsAFailure);
    CPPUNIT_TEST(testARefusedConnectionIsTheAnswer);
    CPPUNIT_TEST(testFilesThatDidNotAnswerAreAskedAgainAfterTheEndOfSilences);
    CPPUNIT_TEST_SUITE_END();

public:
    void testASignalThatIsNotTakenIsSentLater() {
        const CapturedLog log;
        const FileDescriptor self = openPidFd(::getpid());
        int sent = 0;
        auto begun = std::chrono::steady_clock::now();
        for (; !log.contains("rights.unreachable"); ++sent) {
            begun = std::chrono::steady_clock::now();
            CPPUNIT_ASSERT(client_.signal(self, SIGTERM));
        }
        for (int queue = 0; queue < 5; ++queue) {
            client_.giveRoom(peer_.descriptor(), 1);
        }
        CPPUNIT_ASSERT_EQUAL(6U, log.count("rights.unreachable"));
        CPPUNIT_ASSERT_MESSAGE("The event loop must not wait", std::chrono::steady_clock::now() - begun < ONE_WAIT);
        CPPUNIT_ASSERT_EQUAL(sent - 1, received());
        client_.tidy();
        CPPUNIT_ASSERT_EQUAL(1, received());
        client_.tidy();
        CPPUNIT_ASSERT_EQUAL(0, received());
    }

    void testASignalThatCannotBeKeptIsAFailure() {
        const CapturedLog log;
        const FileDescriptor self = openPidFd(::getpid());
        peer_ = FrameSocket();
        {
            const NoDescriptors none;
            CPPUNIT_ASSERT_THROW(client_.signal(self, SIGTERM), SystemException);
        }
        CPPUNIT_ASSERT(!log.contains("the signal is sent later"));
    }

    // A rights process that cannot fork says so before it closes the connection.
    void testARefusedConnectionIsTheAnswer() {
        const pid_t server = refuseOne();
        int error = 0;
        try {
            client_.tasksOf(1);
        } catch (const SystemException &failure) {
            error = failure.error();
        }
        ::waitpid(server, nullptr, 0);
        CPPUNIT_ASSERT_EQUAL(EAGAIN, error);
    }

    void testFilesThatDidNotAnswerAreAskedAgainAfterTheEndOfSilences() {
        const CapturedLog log;
        const auto look = [this] { return client_.modified({{{"/folder"}}}).at(0).has_value(); };
        CPPUNIT_ASSERT(!look());
        CPPUNIT_ASSERT(log.contains("rights.slow"));
        CPPUNIT_ASSERT(peer_.tryReceive()->type == FrameType::RIGHTS_CONNECT);
        CPPUNIT_ASSERT(!look());
        CPPUNIT_ASSERT(!peer_.tryReceive());
        client_.endSilences();
        const pid_t server = refuseOne();
        CPPUNIT_ASSERT(!look());
        int status = -1;
        ::waitpid(server, &status, 0);
        CPPUNIT_ASSERT_EQUAL_MESSAGE("The process has been asked", 0, status);
    }

private:
    static constexpr std::chrono::seconds LIMIT{60};
    /** Six messages must not take so long together. */
    static constexpr std::chrono::milliseconds ONE_WAIT{900};

    /** A process: until the connection comes, the client waits in a request. */
    pid_t refuseOne() {
        const pid_t server = ::fork();
        if (server == 0) {
            Frame connect = peer_.receive(FrameSocket::in(LIMIT));
            FrameSocket(connect.takeDescriptor(0))
                .send(describeFailure(SystemException("fork", EAGAIN)), FrameSocket::in(LIMIT));
            ::_exit(0);
        }
        return server;
    }

    /** The signals that wait in the socket. */
    int received() {
        int count = 0;
        while (auto frame = peer_.tryReceive()) {
            CPPUNIT_ASSERT(frame->type == FrameType::RIGHTS_SIGNAL);
            ++count;
        }
        return count;
    }

    DescriptorPair pair_ = makeStreamPair();
    RightsClient client_{std::move(pair_.first)};
    FrameSocket peer_{std::move(pair_.second)};
};

CPPUNIT_TEST_SUITE_REGISTRATION(RightsClientTest);

}  // namespace Passenger
