#include "client/AgentControl.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/thread/exceptions.hpp>

#include <cerrno>
#include <csignal>

#include "base/Exceptions.h"
#include "base/PidFd.h"
#include "client/AgentConnector.h"
#include "client/ApplicationPoolServer.h"
#include "io/FrameSocket.h"
#include "io/SocketPair.h"
#include "support/Eventually.h"
#include "support/Expect.h"
#include "support/FakeAgent.h"
#include "support/LeakCheck.h"
#include "support/TestThread.h"

namespace Passenger {

class AgentControlTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(AgentControlTest);
    CPPUNIT_TEST(testAStartedAgentIsAliveUntilItIsStopped);
    CPPUNIT_TEST(testTheAgentsWarningIsPassedOn);
    CPPUNIT_TEST(testAnAgentCanBeStoppedTwice);
    CPPUNIT_TEST(testAnAgentThatIsReapedElsewhereIsStillStopped);
    CPPUNIT_TEST(testUsersOfADeadAgentConnectToItsReplacement);
    CPPUNIT_TEST(testUsersOfADeadAgentLearnThatItIsNotReplaced);
    CPPUNIT_TEST(testAUserCannotSayThatThereIsNoAgent);
    CPPUNIT_TEST(testAConnectSocketThatAUserShutsDownCutsTheAgentOff);
    CPPUNIT_TEST(testAnAgentThatDidNotStartCanStartLaterInTheSamePlace);
    CPPUNIT_TEST(testAFailureInThePoolProcessArrivesAsTheSameException);
    CPPUNIT_TEST(testAPoolProcessThatExitsAtItsStartIsAnError);
    CPPUNIT_TEST(testAMissingProgramIsASystemException);
    CPPUNIT_TEST(testAProgramThatIsNoAgentIsAnIOException);
    CPPUNIT_TEST(testALogFileThatCannotBeOpenedIsAnIOException);
    CPPUNIT_TEST(testOnlyTheAnswerToTheLastUpdateCounts);
    CPPUNIT_TEST_SUITE_END();

    static constexpr std::chrono::seconds LIMIT{60};

    static void assertRefused(const AgentHandle &handle) {
        const FileDescriptor users(::fcntl(handle.connectSocket, F_DUPFD_CLOEXEC, 3));
        thrownBy<IOException>([&] { connectToAgent(users, FrameSocket::in(LIMIT), handle.absenceView); });
    }

public:
    void testAStartedAgentIsAliveUntilItIsStopped() {
        auto agent = startAgent(fakeAgentSettings());
        CPPUNIT_ASSERT(agentAlive(agent.handle));
        CPPUNIT_ASSERT_EQUAL(::getpid(), agent.handle.ownerPid);
        {
            const FakeAgentClient client(agent.handle.connectSocket);
            CPPUNIT_ASSERT_EQUAL(agent.poolPid, client.welcome().poolPid);
            CPPUNIT_ASSERT_EQUAL(agent.spawnServerPid, client.welcome().instancePid);
        }
        stopAgent(agent.handle);
        CPPUNIT_ASSERT(!agentAlive(agent.handle));
    }

    void testTheAgentsWarningIsPassedOn() {
        auto agent = startAgent(withEnvironment("warn"));
        stopAgent(agent.handle);
        CPPUNIT_ASSERT_EQUAL(std::string("as you wished"), agent.warning);
    }

    void testAnAgentCanBeStoppedTwice() {
        auto agent = startAgent(fakeAgentSettings());
        stopAgent(agent.handle);
        stopAgent(agent.handle);
        CPPUNIT_ASSERT_EQUAL(-1, agent.handle.connectSocket);
    }

    void testAnAgentThatIsReapedElsewhereIsStillStopped() {
        auto agent = startAgent(fakeAgentSettings());
        killAnchor(agent);
        CPPUNIT_ASSERT(updateAgent(agent.handle, fakeAgentSettings()) == AgentUpdate::FAILED);
        stopAgent(agent.handle);
        CPPUNIT_ASSERT(!agentAlive(agent.handle));
    }

    void testUsersOfADeadAgentConnectToItsReplacement() {
        auto agent = startAgent(fakeAgentSettings());
        const FileDescriptor users(::fcntl(agent.handle.connectSocket, F_DUPFD_CLOEXEC, 3));
        killAnchor(agent);
        auto other = replaceAgent(agent.handle, fakeAgentSettings());
        CPPUNIT_ASSERT_EQUAL(other.poolPid, FakeAgentClient(users.get()).welcome().poolPid);
        stopAgent(other.handle);
    }

    void testUsersOfADeadAgentLearnThatItIsNotReplaced() {
        auto agent = startAgent(fakeAgentSettings());
        killAnchor(agent);
        refuseAgentsUsers(agent.handle);
        assertRefused(agent.handle);
        stopAgent(agent.handle);
    }

    void testAUserCannotSayThatThereIsNoAgent() {
        const AgentHandle handle = startAgent(fakeAgentSettings()).handle;
        ApplicationPoolServer server(handle);
        const char absent = 1;
        CPPUNIT_ASSERT_EQUAL(EBADF, ::pwrite(handle.absenceView, &absent, 1, 0) < 0 ? errno : 0);
        struct stat status {};
        CPPUNIT_ASSERT_EQUAL(0, ::fstat(handle.absenceView, &status));
        CPPUNIT_ASSERT_EQUAL(mode_t{0600}, status.st_mode & 0777);
        const pid_t user = ::fork();
        if (user == 0) {
            server.disown();
            ::_exit(::fcntl(handle.absence, F_GETFD) < 0 && errno == EBADF ? 0 : 1);
        }
        int result = -1;
        ::waitpid(user, &result, 0);
        CPPUNIT_ASSERT_EQUAL(0, result);
    }

    void testAConnectSocketThatAUserShutsDownCutsTheAgentOff() {
        for (const int how : {SHUT_RD, SHUT_WR, SHUT_RDWR}) {
            AgentHandle handle = makeAgentHandle();
            CPPUNIT_ASSERT(!agentCutOff(handle));
            CPPUNIT_ASSERT_EQUAL(0, ::shutdown(handle.connectSocket, how));
            CPPUNIT_ASSERT(agentCutOff(handle));
            stopAgent(handle);
        }
    }

    void testAnAgentThatDidNotStartCanStartLaterInTheSamePlace() {
        auto handle = makeAgentHandle();
        const FileDescriptor users(::fcntl(handle.connectSocket, F_DUPFD_CLOEXEC, 3));
        thrownBy<SystemException>([&] { replaceAgent(handle, withEnvironment("fail with SystemException")); });
        refuseAgentsUsers(handle);
        assertRefused(handle);
        auto agent = replaceAgent(handle, fakeAgentSettings());
        const auto connected = connectToAgent(users, FrameSocket::in(LIMIT), agent.handle.absenceView);
        CPPUNIT_ASSERT(connected);
        stopAgent(agent.handle);
    }

    void testAFailureInThePoolProcessArrivesAsTheSameException() {
        const auto system = thrownBy<SystemException>([] { startAgent(withEnvironment("fail with SystemException")); });
        CPPUNIT_ASSERT_EQUAL(ENOENT, system.error());
        CPPUNIT_ASSERT_EQUAL(std::string("open(\"/nowhere\"): No such file or directory"), std::string(system.what()));

        const auto spawn = thrownBy<SpawnException>([] { startAgent(withEnvironment("fail with SpawnException")); });
        CPPUNIT_ASSERT_EQUAL(std::string("ruby is not there"), std::string(spawn.what()));
        CPPUNIT_ASSERT_EQUAL(std::string("step by step"), spawn.report());

        const auto thread = thrownBy<boost::thread_resource_error>(
            [] { startAgent(withEnvironment("fail with thread_resource_error")); });
        CPPUNIT_ASSERT_EQUAL(EAGAIN, thread.native_error());
    }

    void testAPoolProcessThatExitsAtItsStartIsAnError() {
        const auto exception = thrownBy<IOException>([] { startAgent(withEnvironment("exit")); });
        CPPUNIT_ASSERT_EQUAL(std::string("The pool process exited with status 3 before it was ready"),
                             std::string(exception.what()));
    }

    void testAMissingProgramIsASystemException() {
        AgentSettings settings;
        settings.agentCommand = "/nowhere/passenger-agent";
        CPPUNIT_ASSERT_EQUAL(ENOENT, errorOf([&] { startAgent(settings); }));
    }

    void testAProgramThatIsNoAgentIsAnIOException() {
        AgentSettings settings;
        settings.agentCommand = "false";
        const auto exception = thrownBy<IOException>([&] { startAgent(settings); });
        CPPUNIT_ASSERT(std::string(exception.what()).find("exited with status 1") != std::string::npos);
    }

    void testALogFileThatCannotBeOpenedIsAnIOException() {
        auto settings = fakeAgentSettings();
        settings.logFile = "/nowhere/agent.log";
        const auto exception = thrownBy<IOException>([&] { startAgent(settings); });
        CPPUNIT_ASSERT(std::string(exception.what()).find("/nowhere/agent.log") != std::string::npos);
    }

    void testOnlyTheAnswerToTheLastUpdateCounts() {
        DescriptorPair pair = makeStreamPair();
        AgentHandle handle;
        handle.controlSocket = pair.first.get();
        FrameSocket watchdog(std::move(pair.second));
        const auto done = [&](const std::string &update) {
            watchdog.send(Frame(FrameType::SETTINGS_DONE, {update}), FrameSocket::in(std::chrono::seconds(60)));
        };
        const auto numberOfNext = [&] {
            return AgentSettings::fromMap(watchdog.receive(FrameSocket::in(std::chrono::seconds(60))).map(0)).update;
        };
        done("1");
        CPPUNIT_ASSERT(updateAgent(handle, fakeAgentSettings()) == AgentUpdate::LATE);
        const std::string late = numberOfNext();
        CPPUNIT_ASSERT(eventually([&] {
            TestThread answers([&] {
                const std::string number = numberOfNext();
                done(late);
                done(number);
            });
            const AgentUpdate update = updateAgent(handle, fakeAgentSettings());
            answers.join();
            return update == AgentUpdate::IN_FORCE;
        }));
    }

private:
    /** Returns after the end of the pool process, and kills the instance: the fake pool process
     *  does not end it. */
    static void killAnchor(const StartedAgent &agent) {
        const FileDescriptor pool = openPidFd(agent.poolPid);
        ::kill(agent.handle.anchorPid, SIGKILL);
        ::waitpid(agent.handle.anchorPid, nullptr, 0);
        CPPUNIT_ASSERT(waitPidFd(pool, std::chrono::seconds(60)));
        ::kill(-agent.spawnServerPid, SIGKILL);
    }

    static AgentSettings withEnvironment(const std::string &environment) {
        auto settings = fakeAgentSettings();
        settings.environment = environment;
        return settings;
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(AgentControlTest);

}  // namespace Passenger
