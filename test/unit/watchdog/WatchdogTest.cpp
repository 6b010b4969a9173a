#include "watchdog/Watchdog.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "base/Exceptions.h"
#include "base/FileContent.h"
#include "base/PidFd.h"
#include "base/ProcessTree.h"
#include "client/AgentConnector.h"
#include "support/Eventually.h"
#include "support/Expect.h"
#include "support/FakeAgent.h"
#include "support/LeakCheck.h"
#include "support/TestThread.h"
#include "watchdog/ThreadReport.h"

namespace Passenger {

namespace {

constexpr std::chrono::seconds LIMIT{60};

/** Has pidfds of processes, which stay valid when the processes are reaped elsewhere. */
class Observed {
public:
    explicit Observed(std::initializer_list<pid_t> pids) {
        for (const pid_t pid : pids) {
            pidFds_.push_back(openPidFd(pid));
        }
    }
    bool allEndWithin(std::chrono::milliseconds limit) const {
        for (const auto &pidFd : pidFds_) {
            if (!waitPidFd(pidFd, limit)) {
                return false;
            }
        }
        return true;
    }

private:
    std::vector<FileDescriptor> pidFds_;
};

bool hasOpen(pid_t process, const std::string &target) {
    std::error_code error;
    const std::string folder = "/proc/" + std::to_string(process) + "/fd";
    for (const auto &entry : std::filesystem::directory_iterator(folder)) {
        if (std::filesystem::read_symlink(entry.path(), error) == target) {
            return true;
        }
    }
    return false;
}

/** Names, states and parents: proc_pid_stat(5). */
std::string statsOf(const std::vector<pid_t> &processes) {
    std::string stats;
    for (const pid_t pid : processes) {
        stats += fileContent("/proc/" + std::to_string(pid) + "/stat");
    }
    return stats;
}

std::string readAll(int fd, std::size_t size) {
    std::string text(size, '\0');
    std::size_t got = 0;
    while (got < size) {
        pollfd entry{fd, POLLIN, 0};
        const ssize_t count = ::poll(&entry, 1, 60000) == 1 ? ::read(fd, text.data() + got, size - got) : 0;
        if (count <= 0) {
            break;
        }
        got += static_cast<std::size_t>(count);
    }
    text.resize(got);
    return text;
}

}  // namespace

class WatchdogTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(WatchdogTest);
    CPPUNIT_TEST(testAKilledPoolProcessIsReplacedAndGetsTheStoreEntries);
    CPPUNIT_TEST(testStoreEntriesSurviveSeveralPoolProcessesThatDieYoung);
    CPPUNIT_TEST(testARemovedStoreEntryIsNotReturned);
    CPPUNIT_TEST(testAPoolProcessThatSendsInvalidFramesIsReplaced);
    CPPUNIT_TEST(testAPoolProcessThatStandsStillIsReplaced);
    CPPUNIT_TEST(testSettingsReachThePoolProcessAndItsSuccessor);
    CPPUNIT_TEST(testSettingsAreInForceWhenTheUpdateSaysSo);
    CPPUNIT_TEST(testALateUpdateHoldsNeitherTheNextOneNorTheStop);
    CPPUNIT_TEST(testStopWaitsUntilAllDescendantsHaveEnded);
    CPPUNIT_TEST(testAllProcessesEndWhenTheOwnerIsKilledThoughItsChildrenHoldItsDescriptors);
    CPPUNIT_TEST(testAllProcessesEndWhenTheOwnerReleasesAnAgentWithoutOtherUsers);
    CPPUNIT_TEST(testAReleasedAgentServesUntilItsLastUserEnds);
    CPPUNIT_TEST(testSigtermAndSigintEndNoAnchor);
    CPPUNIT_TEST(testAKilledWatchdogIsReplacedAndItsSuccessorHasTheStoreEntriesAndSettings);
    CPPUNIT_TEST(testWatchdogsThatAreKilledInARowAreReplaced);
    CPPUNIT_TEST(testAReleasedAgentOutlivesItsWatchdog);
    CPPUNIT_TEST(testThePoolProcessEndsWhenTheAnchorIsKilled);
    CPPUNIT_TEST(testTheAgentHoldsNoDescriptorOfItsOwner);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        LeakCheck::setUp();
        // After a report the thread sanitizer keeps a child of its own.
        before_ = childrenOf(::getpid());
        // Orphans become children of this process, so that the test sees whether any is left.
        ::prctl(PR_SET_CHILD_SUBREAPER, 1);
        agent_ = startAgent(fakeAgentSettings());
    }

    void tearDown() override {
        stopAgent(agent_.handle);
        const bool allEnded = eventually([this] {
            while (::waitpid(-1, nullptr, WNOHANG) > 0) {
            }
            const std::vector<pid_t> left = childrenOf(::getpid());
            return std::all_of(left.begin(), left.end(), [this](pid_t pid) {
                return std::find(before_.begin(), before_.end(), pid) != before_.end();
            });
        });
        ::prctl(PR_SET_CHILD_SUBREAPER, 0);
        CPPUNIT_ASSERT_MESSAGE(statsOf(descendantsOf(::getpid())), allEnded);
        LeakCheck::tearDown();
    }

    void testAKilledPoolProcessIsReplacedAndGetsTheStoreEntries() {
        DescriptorPair pipe = makePipe();
        const pid_t first = storeAndKill({"a", "first note"}, pipe.second);
        pipe.second.reset();

        FakeAgentClient client(agent_.handle.connectSocket);
        CPPUNIT_ASSERT(client.welcome().poolPid != first);
        CPPUNIT_ASSERT_EQUAL(std::size_t(1), client.welcome().restored.size());
        CPPUNIT_ASSERT_EQUAL(std::string("a=first note"), client.welcome().restored[0]);
        client.writeTo("a", "still open");
        CPPUNIT_ASSERT_EQUAL(std::string("still open"), readAll(pipe.first.get(), 10));
    }

    void testStoreEntriesSurviveSeveralPoolProcessesThatDieYoung() {
        const DescriptorPair pipe = makePipe();
        storeAndKill({"a", "1"}, pipe.second);
        storeAndKill({"b", "2"}, pipe.second);
        storeAndKill({"a", "3"}, pipe.second);

        const FakeAgentClient client(agent_.handle.connectSocket);
        const std::vector<std::string> expected{"a=3", "b=2"};
        CPPUNIT_ASSERT(expected == client.welcome().restored);
    }

    void testARemovedStoreEntryIsNotReturned() {
        DescriptorPair pipe = makePipe();
        pid_t pool;
        {
            FakeAgentClient client(agent_.handle.connectSocket);
            pool = client.welcome().poolPid;
            client.put("a", "", pipe.second);
            pipe.second.reset();
            client.remove("a");
            // The watchdog has closed its copy, too.
            CPPUNIT_ASSERT_EQUAL(std::string(), readAll(pipe.first.get(), 1));
        }
        kill(pool);
        CPPUNIT_ASSERT(FakeAgentClient(agent_.handle.connectSocket).welcome().restored.empty());
    }

    void testAPoolProcessThatSendsInvalidFramesIsReplaced() {
        const Observed process{agent_.poolPid};
        FakeAgentClient(agent_.handle.connectSocket).sendNonsense();
        CPPUNIT_ASSERT(process.allEndWithin(LIMIT));
        CPPUNIT_ASSERT(FakeAgentClient(agent_.handle.connectSocket).welcome().poolPid != agent_.poolPid);
    }

    void testAPoolProcessThatStandsStillIsReplaced() {
        const DescriptorPair log = makePipe();
        auto settings = fakeAgentSettings();
        settings.agentTimeout = std::chrono::seconds(1);
        settings.logFile = "/proc/self/fd/" + std::to_string(log.second.get());
        CPPUNIT_ASSERT(updateAgent(agent_.handle, settings) != AgentUpdate::FAILED);
        const Observed process{agent_.poolPid};
        ::kill(agent_.poolPid, SIGSTOP);
        CPPUNIT_ASSERT(process.allEndWithin(LIMIT));
        CPPUNIT_ASSERT(FakeAgentClient(agent_.handle.connectSocket).welcome().poolPid != agent_.poolPid);
        CPPUNIT_ASSERT(logged(log.first.get(), "state=T"));
        CPPUNIT_ASSERT(logged(log.first.get(), "its event loop has not answered for 1 s (PassengerAgentTimeout)"));
    }

    void testSettingsReachThePoolProcessAndItsSuccessor() {
        const DescriptorPair log = makePipe();
        auto settings = fakeAgentSettings();
        settings.environment = "changed";
        settings.logFile = "/proc/self/fd/" + std::to_string(log.second.get());
        CPPUNIT_ASSERT(updateAgent(agent_.handle, settings) != AgentUpdate::FAILED);

        CPPUNIT_ASSERT(eventually(
            [this] { return FakeAgentClient(agent_.handle.connectSocket).welcome().environment == "changed"; }));
        FakeAgentClient(agent_.handle.connectSocket).log("one");
        CPPUNIT_ASSERT(logged(log.first.get(), "one"));
        kill(agent_.poolPid);
        FakeAgentClient client(agent_.handle.connectSocket);
        CPPUNIT_ASSERT_EQUAL(std::string("changed"), client.welcome().environment);
        client.log("two");
        CPPUNIT_ASSERT(logged(log.first.get(), "two"));
    }

    void testSettingsAreInForceWhenTheUpdateSaysSo() {
        auto settings = fakeAgentSettings();
        for (int i = 0; i < 20; ++i) {
            settings.environment = std::to_string(i);
            CPPUNIT_ASSERT(eventually([&] { return updateAgent(agent_.handle, settings) == AgentUpdate::IN_FORCE; }));
            CPPUNIT_ASSERT_EQUAL(settings.environment,
                                 FakeAgentClient(agent_.handle.connectSocket).welcome().environment);
        }
    }

    void testALateUpdateHoldsNeitherTheNextOneNorTheStop() {
        auto settings = fakeAgentSettings();
        settings.environment = "late";
        stopPool();
        CPPUNIT_ASSERT(updateAgent(agent_.handle, settings) == AgentUpdate::LATE);
        // The answer to the late update comes while this one waits for its own: the watchdog has
        // the new log, and so the settings, before the pool process goes on.
        const DescriptorPair log = makePipe();
        settings.environment = "next";
        settings.logFile = "/proc/self/fd/" + std::to_string(log.second.get());
        TestThread goesOn([&] {
            const std::string watchdogs = "/proc/" + std::to_string(parentOf(agent_.poolPid)) + "/fd/2";
            CPPUNIT_ASSERT(eventually([&] {
                return std::filesystem::read_symlink(watchdogs) == std::filesystem::read_symlink(settings.logFile);
            }));
            ::kill(agent_.poolPid, SIGCONT);
        });
        if (updateAgent(agent_.handle, settings) == AgentUpdate::IN_FORCE) {
            CPPUNIT_ASSERT_EQUAL(std::string("next"),
                                 FakeAgentClient(agent_.handle.connectSocket).welcome().environment);
        }
        goesOn.join();
        CPPUNIT_ASSERT(eventually([&] { return updateAgent(agent_.handle, settings) == AgentUpdate::IN_FORCE; }));
        stopPool();
        CPPUNIT_ASSERT(updateAgent(agent_.handle, settings) == AgentUpdate::LATE);
        ::kill(agent_.poolPid, SIGCONT);
        const Observed anchor{agent_.handle.anchorPid};
        stopAgent(agent_.handle);
        CPPUNIT_ASSERT(anchor.allEndWithin(std::chrono::seconds(0)));
    }

    void testStopWaitsUntilAllDescendantsHaveEnded() {
        const auto before = FakeAgentClient(agent_.handle.connectSocket).welcome();
        CPPUNIT_ASSERT(eventually([&] { return !childrenOf(before.instancePid).empty(); }));
        const Observed orphans{before.instancePid, childrenOf(before.instancePid).at(0)};
        kill(before.poolPid);
        const auto after = FakeAgentClient(agent_.handle.connectSocket).welcome();
        const Observed processes{agent_.handle.anchorPid, after.poolPid, after.instancePid};

        const FileDescriptor connectSocket(::fcntl(agent_.handle.connectSocket, F_DUPFD_CLOEXEC, 3));
        stopAgent(agent_.handle);
        CPPUNIT_ASSERT(orphans.allEndWithin(std::chrono::seconds(0)));
        CPPUNIT_ASSERT(processes.allEndWithin(std::chrono::seconds(0)));
        CPPUNIT_ASSERT(!agentAlive(agent_.handle));
        thrownBy<IOException>([&] { connectToAgent(connectSocket, FrameSocket::in(LIMIT)); });
    }

    void testAllProcessesEndWhenTheOwnerIsKilledThoughItsChildrenHoldItsDescriptors() {
        const DescriptorPair report = makePipe();
        const DescriptorPair life = makePipe();
        const pid_t owner = ::fork();
        if (owner == 0) {
            beOwner(report.second.get(), life);
        }
        pid_t pids[3];
        CPPUNIT_ASSERT_EQUAL(ssize_t(sizeof pids), ::read(report.first.get(), pids, sizeof pids));
        const Observed processes{pids[0], pids[1], pids[2]};
        CPPUNIT_ASSERT(!processes.allEndWithin(std::chrono::seconds(0)));

        ::kill(owner, SIGKILL);
        const bool ended = processes.allEndWithin(LIMIT);
        ::waitpid(owner, nullptr, 0);
        CPPUNIT_ASSERT(ended);
    }

    void testAllProcessesEndWhenTheOwnerReleasesAnAgentWithoutOtherUsers() {
        const Observed processes{agent_.handle.anchorPid, agent_.poolPid, agent_.spawnServerPid};
        letGoOfAgent(agent_.handle);
        CPPUNIT_ASSERT(processes.allEndWithin(LIMIT));
    }

    void testAReleasedAgentServesUntilItsLastUserEnds() {
        const Observed processes{agent_.handle.anchorPid, agent_.poolPid, agent_.spawnServerPid};
        FileDescriptor users(::fcntl(agent_.handle.connectSocket, F_DUPFD_CLOEXEC, 3));
        letGoOfAgent(agent_.handle);
        const pid_t pool = FakeAgentClient(users.get()).welcome().poolPid;
        kill(pool);
        CPPUNIT_ASSERT(FakeAgentClient(users.get()).welcome().poolPid != pool);

        users.reset();
        CPPUNIT_ASSERT(processes.allEndWithin(LIMIT));
    }

    /** Another watchdog comes after the signals. */
    void testSigtermAndSigintEndNoAnchor() {
        ::kill(agent_.handle.anchorPid, SIGTERM);
        ::kill(agent_.handle.anchorPid, SIGINT);
        kill(watchdogOf(agent_.handle.anchorPid));
        CPPUNIT_ASSERT(agent_.poolPid != FakeAgentClient(agent_.handle.connectSocket).welcome().poolPid);
        CPPUNIT_ASSERT(agentAlive(agent_.handle));
    }

    void testAKilledWatchdogIsReplacedAndItsSuccessorHasTheStoreEntriesAndSettings() {
        const DescriptorPair pipe = makePipe();
        auto settings = fakeAgentSettings();
        settings.environment = "changed";
        CPPUNIT_ASSERT(updateAgent(agent_.handle, settings) != AgentUpdate::FAILED);
        CPPUNIT_ASSERT(eventually([this] {
            FakeAgentClient client(agent_.handle.connectSocket);
            return client.welcome().environment == "changed";
        }));
        storeAndKill({"a", "by the second pool process"}, pipe.second);
        storeAndKillWatchdog({"b", "by the third one"}, pipe.second, settings);

        FakeAgentClient client(agent_.handle.connectSocket);
        const std::vector<std::string> expected{"a=by the second pool process", "b=by the third one"};
        CPPUNIT_ASSERT(expected == client.welcome().restored);
        CPPUNIT_ASSERT_EQUAL(std::string("changed"), client.welcome().environment);
        client.writeTo("b", "still open");
        CPPUNIT_ASSERT_EQUAL(std::string("still open"), readAll(pipe.first.get(), 10));
        CPPUNIT_ASSERT(agentAlive(agent_.handle));
        CPPUNIT_ASSERT(updateAgent(agent_.handle, fakeAgentSettings()) != AgentUpdate::FAILED);
    }

    void testWatchdogsThatAreKilledInARowAreReplaced() {
        const DescriptorPair pipe = makePipe();
        for (const char *note : {"1", "2", "3"}) {
            storeAndKillWatchdog({"a", note}, pipe.second);
        }
        const std::vector<std::string> expected{"a=3"};
        CPPUNIT_ASSERT(expected == FakeAgentClient(agent_.handle.connectSocket).welcome().restored);
    }

    void testAReleasedAgentOutlivesItsWatchdog() {
        const Observed anchor{agent_.handle.anchorPid};
        const pid_t pid = agent_.handle.anchorPid;
        FileDescriptor users(::fcntl(agent_.handle.connectSocket, F_DUPFD_CLOEXEC, 3));
        letGoOfAgent(agent_.handle);
        const pid_t pool = FakeAgentClient(users.get()).welcome().poolPid;
        const Observed process{pool};
        kill(watchdogOf(pid));
        // It may answer until then.
        CPPUNIT_ASSERT(process.allEndWithin(LIMIT));
        CPPUNIT_ASSERT(FakeAgentClient(users.get()).welcome().poolPid != pool);
        users.reset();
        CPPUNIT_ASSERT(anchor.allEndWithin(LIMIT));
    }

    void testThePoolProcessEndsWhenTheAnchorIsKilled() {
        const Observed pool{agent_.poolPid};
        ::kill(agent_.handle.anchorPid, SIGKILL);
        CPPUNIT_ASSERT(pool.allEndWithin(LIMIT));
        // The real engine ends the instances; the fake one does not.
        ::kill(-agent_.spawnServerPid, SIGKILL);
    }

    void testTheAgentHoldsNoDescriptorOfItsOwner() {
        stopAgent(agent_.handle);
        const FileDescriptor listener(::socket(AF_INET, SOCK_STREAM, 0));
        const std::string name =
            std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(listener.get())).string();
        CPPUNIT_ASSERT(hasOpen(::getpid(), name));

        agent_ = startAgent(fakeAgentSettings());
        CPPUNIT_ASSERT(!hasOpen(agent_.handle.anchorPid, name));
        CPPUNIT_ASSERT(!hasOpen(agent_.poolPid, name));
        CPPUNIT_ASSERT(!hasOpen(agent_.spawnServerPid, name));
    }

private:
    /** Returns when all threads stand still. */
    void stopPool() {
        ::kill(agent_.poolPid, SIGSTOP);
        CPPUNIT_ASSERT(eventually([this] {
            const auto threads = describeThreads(agent_.poolPid);
            return std::all_of(threads.begin(), threads.end(),
                               [](const std::string &thread) { return thread.find("state=T") != std::string::npos; });
        }));
    }

    /** @return the pid of the killed pool process */
    pid_t storeAndKill(const std::pair<std::string, std::string> &keyAndNote, const FileDescriptor &descriptor) {
        FakeAgentClient client(agent_.handle.connectSocket);
        client.put(keyAndNote.first, keyAndNote.second, descriptor);
        kill(client.welcome().poolPid);
        return client.welcome().poolPid;
    }

    void storeAndKillWatchdog(const std::pair<std::string, std::string> &keyAndNote, const FileDescriptor &descriptor,
                              const AgentSettings &settings = fakeAgentSettings()) {
        FakeAgentClient client(agent_.handle.connectSocket);
        client.put(keyAndNote.first, keyAndNote.second, descriptor);
        // The watchdog has given the anchor what it received before them.
        CPPUNIT_ASSERT(updateAgent(agent_.handle, settings) != AgentUpdate::FAILED);
        const Observed pool{client.welcome().poolPid};
        kill(watchdogOf(agent_.handle.anchorPid));
        CPPUNIT_ASSERT(pool.allEndWithin(LIMIT));
    }

    /** The child of the anchor that has the pool process for a child. */
    static pid_t watchdogOf(pid_t anchor) {
        pid_t watchdog = 0;
        CPPUNIT_ASSERT(eventually([&] {
            for (const pid_t child : childrenOf(anchor)) {
                std::ifstream file("/proc/" + std::to_string(child) + "/cmdline");
                std::string command;
                std::getline(file, command);
                if (command.ends_with(std::string("watchdog") + '\0')) {
                    watchdog = child;
                }
            }
            return watchdog != 0;
        }));
        return watchdog;
    }

    static void kill(pid_t process) {
        const Observed observed{process};
        ::kill(process, SIGKILL);
        CPPUNIT_ASSERT(observed.allEndWithin(LIMIT));
    }

    /** @return whether a line with this text arrives */
    static bool logged(int fd, const std::string &text) {
        std::string all;
        return eventually([&] {
            all += readAll(fd, 1);
            return all.ends_with(text);
        });
    }

    /** Runs in a forked process: starts an agent, reports its pids, and leaves a child that has all
     *  descriptors until the test ends. */
    [[noreturn]] static void beOwner(int report, const DescriptorPair &life) {
        const auto agent = startAgent(fakeAgentSettings());
        if (::fork() == 0) {
            ::close(life.second.get());
            char byte;
            ::_exit(static_cast<int>(::read(life.first.get(), &byte, 1)));
        }
        const pid_t pids[] = {agent.handle.anchorPid, agent.poolPid, agent.spawnServerPid};
        if (::write(report, pids, sizeof pids) == sizeof pids) {
            ::pause();
        }
        ::_exit(EXIT_FAILURE);
    }

    StartedAgent agent_;
    std::vector<pid_t> before_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(WatchdogTest);

}  // namespace Passenger
