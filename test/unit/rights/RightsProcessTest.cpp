#include "rights/RightsProcess.h"

#include <cppunit/extensions/HelperMacros.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/ChildProcess.h"
#include "base/Exceptions.h"
#include "base/FileContent.h"
#include "base/PidFd.h"
#include "base/ProcessStat.h"
#include "base/ProcessTree.h"
#include "base/SystemUserDatabase.h"
#include "io/SocketPair.h"
#include "rights/RightsClient.h"
#include "rights/RightsMessages.h"
#include "rights/RightsServer.h"
#include "support/AgentProgram.h"
#include "support/Eventually.h"
#include "support/HeldFolder.h"
#include "support/LeakCheck.h"
#include "support/Sanitizer.h"

namespace Passenger {

namespace {

constexpr std::chrono::seconds LIMIT{60};
/** The connections that it serves at once. */
constexpr std::size_t MOST = 128;

constexpr const char *VALUES[] = {"",
                                  "0",
                                  "1",
                                  "root",
                                  "nobody",
                                  "daemon",
                                  "/etc/shadow",
                                  "/",
                                  "/tmp",
                                  "app_root",
                                  "startup_file",
                                  "user",
                                  "group",
                                  "-1",
                                  "4294967295",
                                  "99999999999999999999",
                                  "/proc/self/environ",
                                  "shadow",
                                  "../../etc"};

}  // namespace

/** The rights process as its pool process sees it. The watchdog is this process. */
class RightsProcessTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(RightsProcessTest);
    CPPUNIT_TEST(testItAnswersAfterThousandsOfRandomRequests);
    CPPUNIT_TEST(testItAnswersAfterThousandsOfRandomFramesOfThePoolProcess);
    CPPUNIT_TEST(testAFrameThatIsNoFrameEndsOneConnectionOnly);
    CPPUNIT_TEST(testNewSettingsAreInForceForTheNextRequest);
    CPPUNIT_TEST(testAnEarlierWatchdogTellsTheAgentsUserAndNoGroupIsMade);
    CPPUNIT_TEST(testManyLooksGoTogetherAndFailOneByOne);
    CPPUNIT_TEST(testRequestsGoToTheNextRightsProcess);
    CPPUNIT_TEST(testAConnectionAboveTheMostIsRefusedByAnAnswer);
    CPPUNIT_TEST(testAProcessThatDoesNotEndTakesNoOtherOnesPlace);
    CPPUNIT_TEST(testAQueueGetsMoreRoomThanTheSystemGivesToAll);
    CPPUNIT_TEST(testARefusedSignalIsLoggedWhileTheAnchorLives);
    CPPUNIT_TEST(testItEndsWithTheWatchdogsSocketAndItsChildrenEndToo);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        LeakCheck::setUp();
        ::prctl(PR_SET_CHILD_SUBREAPER, 1);
        settings_.grants = "server\nany folder\nuser nobody\n";
        CPPUNIT_ASSERT(::mkdtemp(folder_.data()) != nullptr);
        settings_.spawnDir = folder_ + "/spawn";
        settings_.instanceRegistryDir = folder_ + "/registry";
        settings_.descriptorLogFile = folder_ + "/descriptors";
        settings_.onEvent = "true";
        settings_.rubyCommand = "/nonexistent/ruby";
        settings_.agentCommand = passengerRoot() + "/passenger-agent";
        startProcess();
    }

    void tearDown() override {
        watchdog_ = FrameSocket();
        process_.wait(LIMIT);
        const bool ended = eventually([] {
            while (::waitpid(-1, nullptr, WNOHANG) > 0) {
            }
            return childrenOf(::getpid()).empty();
        });
        ::prctl(PR_SET_CHILD_SUBREAPER, 0);
        std::filesystem::remove_all(folder_);
        CPPUNIT_ASSERT(ended);
        LeakCheck::tearDown();
    }

    void testItAnswersAfterThousandsOfRandomRequests() {
        // The address sanitizer sees the most. attack_verbs_test.rb sends as many to the whole
        // agent.
        constexpr int REQUESTS = SANITIZED ? 20'000 : 10'000;
        sayNothing();
        FrameSocket main = connectPool();
        FrameSocket connection = connect(main);
        std::vector<std::string> verbs = RightsServer::verbs();
        verbs.emplace_back("no_such_verb");
        std::map<std::string, int> answered;
        for (int i = 0; i < REQUESTS; ++i) {
            const std::string &verb = verbs[random_() % verbs.size()];
            Frame request(FrameType::RIGHTS_REQUEST, {verb});
            addRandomFields(request);
            connection.send(request, randomDescriptors(), FrameSocket::in(LIMIT));
            const Frame answer = connection.receive(FrameSocket::in(LIMIT));
            CPPUNIT_ASSERT(answer.type == FrameType::RIGHTS_DONE || answer.descriptors.empty());
            ++answered[verb];
        }
        CPPUNIT_ASSERT_EQUAL(verbs.size(), answered.size());
        assertAnswers(std::move(main));
    }

    void testItAnswersAfterThousandsOfRandomFramesOfThePoolProcess() {
        constexpr int FRAMES = 10'000;
        constexpr unsigned OFTEN = 20;
        sayNothing();
        const std::vector<FrameType> types = RightsProcess::orderTypes();
        FrameSocket main = connectPool();
        for (int i = 0; i < FRAMES; ++i) {
            const bool known = random_() % OFTEN != 0;
            Frame frame(known ? types[random_() % types.size()] : static_cast<FrameType>(random_() % 128));
            addRandomFields(frame);
            try {
                main.send(frame, randomDescriptors(), FrameSocket::in(LIMIT));
            } catch (const SystemException &) {
                // A wrong frame ends the connection.
                main = connectPool();
            }
        }
        assertAnswers(connectPool());
    }

    void testAFrameThatIsNoFrameEndsOneConnectionOnly() {
        FrameSocket main = connectPool();
        const FrameSocket broken = connect(main);
        FrameSocket good = connect(main);
        const std::string garbage(1000, '\xff');
        CPPUNIT_ASSERT(::write(broken.descriptor().get(), garbage.data(), garbage.size()) > 0);
        pollfd entry{broken.descriptor().get(), POLLIN, 0};
        CPPUNIT_ASSERT_EQUAL(1, ::poll(&entry, 1, 60000));
        good.send(Frame(FrameType::RIGHTS_REQUEST, {"no_such_verb"}), FrameSocket::in(LIMIT));
        CPPUNIT_ASSERT(good.receive(FrameSocket::in(LIMIT)).type == FrameType::AGENT_FAILED);
    }

    void testNewSettingsAreInForceForTheNextRequest() {
        RightsClient client(connectPool().release());
        CPPUNIT_ASSERT(refusalOf(client).find("httpd's configuration has no PassengerUser") != std::string::npos);
        settings_.grants = "server\nany folder\nuser daemon\n";
        sendSettings();
        // The frame and the next request come over two sockets.
        CPPUNIT_ASSERT(eventually(
            [&] { return refusalOf(client).find("httpd's configuration has no PassengerUser") == std::string::npos; }));
    }

    void testAnEarlierWatchdogTellsTheAgentsUserAndNoGroupIsMade() {
        const auto nobody = database_.userNamed("nobody");
        CPPUNIT_ASSERT(nobody);
        FrameSocket main = connectPool({std::to_string(nobody->uid)});
        FrameSocket connection = connect(main);
        const auto refusal = [&](const std::vector<std::string> &request) {
            connection.send(Frame(FrameType::RIGHTS_REQUEST, request), FrameSocket::in(LIMIT));
            return connection.receive(FrameSocket::in(LIMIT)).field(1);
        };
        CPPUNIT_ASSERT(refusal({RightsVerb::START_SPAWN_SERVER, "nobody", ""}).find("is the agent's") !=
                       std::string::npos);
        const std::vector<std::string> place{RightsVerb::PLACE, "", "app", "POOL", "0", "0", "0", "0"};
        CPPUNIT_ASSERT(refusal(place).find("reload httpd") != std::string::npos);
        // The watchdog of 0.1.0 tells nothing.
        main = connectPool({});
        connection = connect(main);
        CPPUNIT_ASSERT(refusal(place).find("reload httpd") != std::string::npos);
    }

    void testManyLooksGoTogetherAndFailOneByOne() {
        if (::geteuid() != 0) {
            return;
        }
        std::filesystem::permissions(folder_, std::filesystem::perms(0755));
        CPPUNIT_ASSERT(FileDescriptor(::open((folder_ + "/restart.txt").c_str(), O_WRONLY | O_CREAT, 0600)));
        std::vector<FolderLook> looks(250);
        for (std::size_t i = 0; i < looks.size(); ++i) {
            looks[i].folders = {"/", folder_};
            looks[i].user.options = {{"user", i % 2 == 0 ? "nobody" : "daemon"}};
        }
        RightsClient client(connectPool().release());
        const FileDescriptor inotify(::inotify_init1(IN_CLOEXEC));
        const auto times = client.modified(looks);
        const auto watches = client.watch(inotify, looks);
        CPPUNIT_ASSERT_EQUAL(looks.size(), times.size());
        CPPUNIT_ASSERT_EQUAL(looks.size(), watches.size());
        for (std::size_t i = 0; i < looks.size(); ++i) {
            CPPUNIT_ASSERT_EQUAL(i % 2 == 0, times[i].has_value());
            CPPUNIT_ASSERT_EQUAL(i % 2 == 0 ? std::size_t{2} : 0, watches[i].size());
            CPPUNIT_ASSERT(!times[i] || (!times[i]->restart.empty() && times[i]->alwaysRestart.empty()));
        }
    }

    void testRequestsGoToTheNextRightsProcess() {
        RightsClient client(connectPool().release());
        static_cast<void>(refusalOf(client));
        process_.signal(SIGKILL);
        process_.wait(LIMIT);
        startProcess();
        client.use(connectPool().release());
        CPPUNIT_ASSERT(!refusalOf(client).empty());
    }

    void testAConnectionAboveTheMostIsRefusedByAnAnswer() {
        FrameSocket main = connectPool();
        std::vector<FrameSocket> connections(MOST);
        for (FrameSocket &connection : connections) {
            connection = connect(main);
        }
        FrameSocket further = connect(main);
        const Frame answer = further.receive(FrameSocket::in(LIMIT));
        CPPUNIT_ASSERT(answer.type == FrameType::AGENT_FAILED);
        CPPUNIT_ASSERT(answer.field(1).find("as many connections as it may") != std::string::npos);
        connections.pop_back();
        // Its process ends, which the rights process is told.
        FrameSocket last;
        CPPUNIT_ASSERT(eventually([&] {
            last = connect(main);
            return answers(last);
        }));
        RightsClient client(main.release());
        CPPUNIT_ASSERT_THROW(refusalOf(client), IOException);
    }

    void testAProcessThatDoesNotEndTakesNoOtherOnesPlace() {
        const std::string held = folder_ + "/held";
        std::filesystem::permissions(folder_, std::filesystem::perms(0755));
        std::filesystem::create_directory(held);
        const HeldFolder folder(held);
        if (!folder.holds()) {
            return;
        }
        const Frame look(FrameType::RIGHTS_REQUEST, {RightsVerb::MODIFIED, "0", "1", held, "2", "user", "nobody"});
        FrameSocket main = connectPool();
        std::vector<FrameSocket> connections(MOST);
        for (FrameSocket &connection : connections) {
            connection = connect(main);
            connection.send(look, FrameSocket::in(LIMIT));
        }
        const auto children = [&] { return childrenOf(process_.pid()); };
        CPPUNIT_ASSERT(eventually([&] {
            const auto all = children();
            return all.size() == MOST && std::all_of(all.begin(), all.end(), [](pid_t child) {
                       const auto stat = ProcessStat::of(child);
                       return stat && stat->state == 'D';
                   });
        }));
        for (const pid_t child : children()) {
            ::kill(child, SIGALRM);
        }
        FrameSocket other = connect(main);
        CPPUNIT_ASSERT(answers(other));
        CPPUNIT_ASSERT(children().size() >= MOST);
    }

    void testAQueueGetsMoreRoomThanTheSystemGivesToAll() {
        if (::geteuid() != 0) {
            return;
        }
        constexpr int ROOM = 16 * 1024 * 1024;
        RightsClient client(connectPool().release());
        const DescriptorPair queue = makeSeqPacketPair();
        client.giveRoom(queue.first, ROOM);
        CPPUNIT_ASSERT(eventually([&] {
            int size = 0;
            socklen_t length = sizeof(size);
            return ::getsockopt(queue.first.get(), SOL_SOCKET, SO_SNDBUF, &size, &length) == 0 && size >= ROOM;
        }));
    }

    void testARefusedSignalIsLoggedWhileTheAnchorLives() {
        const FileDescriptor log(::memfd_create("log", MFD_CLOEXEC));
        // The outer shell is the anchor, the inner one the watchdog.
        startProcess("/bin/sh", {"-c", R"(sh -c '"$0" rights; :' "$0"; :)", passengerRoot() + "/passenger-agent"});
        sendSettings(log.get());
        FrameSocket main = connectPool();
        const auto refuse = [&] {
            const FileDescriptor self = openPidFd(::getpid());
            const Frame order(FrameType::RIGHTS_SIGNAL, {std::to_string(SIGTERM)});
            main.send(order, {self.get()}, FrameSocket::in(LIMIT));
            FrameSocket connection = connect(main);
            CPPUNIT_ASSERT(answers(connection));
            return fileContent(fmt::format("/proc/self/fd/{}", log.get()));
        };
        const std::string logged = refuse();
        CPPUNIT_ASSERT_MESSAGE(logged, logged.find("event=rights.refused") != std::string::npos);
        process_.signal(SIGKILL);
        process_.wait(LIMIT);
        CPPUNIT_ASSERT_EQUAL(logged, refuse());
    }

    void testItEndsWithTheWatchdogsSocketAndItsChildrenEndToo() {
        FrameSocket main = connectPool();
        FrameSocket connection = connect(main);
        connection.send(Frame(FrameType::RIGHTS_REQUEST, {"no_such_verb"}), FrameSocket::in(LIMIT));
        static_cast<void>(connection.receive(FrameSocket::in(LIMIT)));
        watchdog_ = FrameSocket();
        CPPUNIT_ASSERT(process_.wait(LIMIT).has_value());
        CPPUNIT_ASSERT_THROW(connection.receive(FrameSocket::in(LIMIT)), EndOfFileException);
    }

private:
    static constexpr unsigned PSEUDO_RANDOM_SEED = 20261123;

    void startProcess() { startProcess(passengerRoot() + "/passenger-agent", {"rights"}); }

    void startProcess(const std::string &program, const std::vector<std::string> &arguments) {
        DescriptorPair pair = makeStreamPair();
        ChildProcess::Command command;
        command.program = program;
        command.arguments = arguments;
        command.descriptors = {{pair.second.get(), 3}};
        process_ = ChildProcess(command);
        watchdog_ = FrameSocket(std::move(pair.first));
        sendSettings();
    }

    void sendSettings(int output = STDERR_FILENO) {
        Frame frame(FrameType::SETTINGS);
        frame.add(settings_.toMap());
        watchdog_.send(frame, {output}, FrameSocket::in(LIMIT));
    }

    /** The log gets no line for each refusal. */
    void sayNothing() {
        const FileDescriptor null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
        sendSettings(null.get());
    }

    void addRandomFields(Frame &frame) {
        constexpr unsigned MOST = 9;
        for (unsigned fields = random_() % MOST; fields > 0; --fields) {
            frame.add(VALUES[random_() % std::size(VALUES)]);
        }
    }

    /** None of them is of a process that may get a signal. */
    std::vector<int> randomDescriptors() {
        constexpr unsigned MOST = 4;
        if (kinds_.empty()) {
            kinds_.emplace_back(::open("/dev/null", O_RDWR | O_CLOEXEC));
            kinds_.emplace_back(::inotify_init1(IN_CLOEXEC));
            kinds_.emplace_back(openPidFd(1));
            DescriptorPair pair = makeSeqPacketPair();
            kinds_.push_back(std::move(pair.first));
            kinds_.push_back(std::move(pair.second));
        }
        std::vector<int> descriptors(random_() % MOST);
        for (int &descriptor : descriptors) {
            descriptor = kinds_[random_() % kinds_.size()].get();
        }
        return descriptors;
    }

    void assertAnswers(FrameSocket main) {
        RightsClient client(main.release());
        CPPUNIT_ASSERT(!refusalOf(client).empty());
        kinds_.clear();
    }

    FrameSocket connectPool(std::vector<std::string> uidAndPid = {"63170", "4712"}) {
        DescriptorPair pair = makeStreamPair();
        watchdog_.send(Frame(FrameType::RIGHTS_SOCKET, std::move(uidAndPid)), {pair.second.get()},
                       FrameSocket::in(LIMIT));
        return FrameSocket(std::move(pair.first));
    }

    static FrameSocket connect(FrameSocket &main) {
        DescriptorPair pair = makeStreamPair();
        main.send(Frame(FrameType::RIGHTS_CONNECT), {pair.second.get()}, FrameSocket::in(LIMIT));
        return FrameSocket(std::move(pair.first));
    }

    /** Whether a request on the connection gets an answer of a process. */
    static bool answers(FrameSocket &connection) {
        try {
            connection.send(Frame(FrameType::RIGHTS_REQUEST, {"no_such_verb"}), FrameSocket::in(LIMIT));
            return connection.receive(FrameSocket::in(LIMIT)).field(1).find("no_such_verb") != std::string::npos;
        } catch (const SystemException &) {
            return false;
        }
    }

    /** Why an application with PassengerUser daemon has no user. */
    std::string refusalOf(RightsClient &client) {
        Options options;
        options.appRoot = "/nonexistent/app";
        options.user = "daemon";
        const auto user = client.userOf(options, resolver_, true);
        return user ? "" : user.error();
    }

    std::string folder_ = "/tmp/passenger-unit-RightsProcessTest.XXXXXX";
    std::mt19937 random_{PSEUDO_RANDOM_SEED};
    std::vector<FileDescriptor> kinds_;
    AgentSettings settings_;
    ChildProcess process_;
    FrameSocket watchdog_;
    SystemUserDatabase database_;
    GrantsInForce grants_;
    const UserResolver resolver_{database_, ownersBy(database_), grants_};
};

CPPUNIT_TEST_SUITE_REGISTRATION(RightsProcessTest);

}  // namespace Passenger
