#include "rights/RightsServer.h"

#include <cppunit/extensions/HelperMacros.h>

#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "base/BootPriority.h"
#include "base/PidFd.h"
#include "base/ThreadCapabilities.h"
#include "rights/OwnRights.h"
#include "rights/RightsMessages.h"
#include "rights/TaskLimit.h"

namespace Passenger {

namespace {

/** A child of this process that waits for its end, as another user where this process is root. */
class Child {
public:
    explicit Child(uid_t user) : Child(user, user) {}
    /** @param effective its effective and saved user, as of a set-user-ID program */
    Child(uid_t user, uid_t effective) {
        DescriptorPair ready = makePipe();
        pid_ = ::fork();
        if (pid_ == 0) {
            if ((user != 0 && ::setresuid(user, effective, effective) != 0) ||
                ::write(ready.second.get(), "", 1) != 1) {
                ::_exit(1);
            }
            for (;;) {
                ::pause();
            }
        }
        char byte = 0;
        CPPUNIT_ASSERT_EQUAL(ssize_t{1}, ::read(ready.first.get(), &byte, 1));
        pidFd_ = openPidFd(pid_);
    }
    ~Child() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    Child(const Child &) = delete;
    Child &operator=(const Child &) = delete;

    pid_t pid() const noexcept { return pid_; }
    const FileDescriptor &pidFd() const noexcept { return pidFd_; }
    bool endsWithin(std::chrono::milliseconds time) const { return waitPidFd(pidFd_, time); }

private:
    pid_t pid_ = 0;
    FileDescriptor pidFd_;
};

}  // namespace

/** What the rights process refuses to a pool process that was taken over. */
class RightsServerTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(RightsServerTest);
    CPPUNIT_TEST(testAnUnknownVerbIsRefused);
    CPPUNIT_TEST(testARequestWithoutItsFieldsIsRefused);
    CPPUNIT_TEST(testAFileThatTheConfigurationDoesNotNameIsRefused);
    CPPUNIT_TEST(testAFileOfTheConfigurationIsOpenedForTheUserOfAnApplication);
    CPPUNIT_TEST(testFilesAreNotSeenWithTheRightsOfAUserWithoutApplications);
    CPPUNIT_TEST(testAnApplicationKeepsItsUserWhenItsLimitsChange);
    CPPUNIT_TEST(testTheOwnerOfAFileThatIsNoStartupFileIsNoUser);
    CPPUNIT_TEST(testWithOneUserNoOtherOneSeesFiles);
    CPPUNIT_TEST(testAWatchHasAsManyFoldersAsItsNumberSays);
    CPPUNIT_TEST(testOnlyFoldersOfTheRegistryAreRemoved);
    CPPUNIT_TEST(testAGroupHasThePoolProcessThatTheWatchdogNames);
    CPPUNIT_TEST(testSeveralLooksAreCheckedOneByOne);
    CPPUNIT_TEST(testOnlyLooksAtFoldersGoTogether);
    CPPUNIT_TEST(testAUserThatTheApplicationDoesNotHaveGetsNoSpawnServer);
    CPPUNIT_TEST(testAnApplicationOutsideTheConfigurationGetsNoUser);
    CPPUNIT_TEST(testNothingIsStartedAsTheAgentsUser);
    CPPUNIT_TEST(testAUrlThatTheConfigurationDoesNotNameIsRefused);
    CPPUNIT_TEST(testTheCommandOfAnEventIsTheConfigurationsAndHasOnlyItsVariables);
    CPPUNIT_TEST(testFactsAboutAProcessOfRootAreRefused);
    CPPUNIT_TEST(testFactsAboutAProcessThatTheAgentHasNotStartedAreRefused);
    CPPUNIT_TEST(testASignalReachesProcessesOfApplicationsOnly);
    CPPUNIT_TEST(testOtherSignalsAreRefused);
    CPPUNIT_TEST(testAProcessGetsIntoGroupsOfItsUserOnly);
    CPPUNIT_TEST(testOnlyProcessesOfApplicationsGetIntoGroups);
    CPPUNIT_TEST(testABootMayHaveAsManyTasksMoreAsItIsGiven);
    CPPUNIT_TEST(testTheLimitOfABootIsLiftedWhereTheRightsSuffice);
    CPPUNIT_TEST(testALimitThatStaysIsAFailure);
    CPPUNIT_TEST(testMemoryThatTheKernelDoesNotTellIsAFailure);
    CPPUNIT_TEST(testOnlyProcessesOfApplicationsChangeTheirPriority);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        configure("server\nany folder\nuser nobody\n");
        server_.usePool(63170, 4711);
    }
    void tearDown() override { ::unlink(path_.c_str()); }

    void testAnUnknownVerbIsRefused() { assertRefused({"become_root"}, "there is no right"); }

    void testARequestWithoutItsFieldsIsRefused() {
        for (const char *verb :
             {RightsVerb::START_SPAWN_SERVER, RightsVerb::APPEND, RightsVerb::MODIFIED, RightsVerb::WATCH,
              RightsVerb::FACTS, RightsVerb::MEMORY, RightsVerb::MAKE_REGISTRY, RightsVerb::PLACE}) {
            assertRefused({verb}, "");
        }
        assertRefused({}, "");
    }

    void testAFileThatTheConfigurationDoesNotNameIsRefused() {
        assertRefused({RightsVerb::APPEND, "/etc/passwd", "user", "nobody"}, "does not name");
        assertRefused({RightsVerb::READ, "/etc/shadow", "user", "nobody"}, "does not name");
    }

    void testAFileOfTheConfigurationIsOpenedForTheUserOfAnApplication() {
        if (::geteuid() != 0) {
            return;
        }
        const Frame answer = ask({RightsVerb::APPEND, path_, "user", "nobody", "app_root", "/srv/any"});
        CPPUNIT_ASSERT(answer.type == FrameType::RIGHTS_DONE);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, answer.descriptors.size());
        struct stat status {};
        CPPUNIT_ASSERT_EQUAL(0, ::fstat(answer.descriptors[0].get(), &status));
        CPPUNIT_ASSERT_EQUAL(NOBODY, status.st_uid);
    }

    void testFilesAreNotSeenWithTheRightsOfAUserWithoutApplications() {
        const std::vector<std::vector<std::string>> requests{{RightsVerb::APPEND, path_},
                                                             {RightsVerb::READ, path_},
                                                             {RightsVerb::MODIFIED, "/tmp", "0"},
                                                             {RightsVerb::WATCH, "0", "1", "/tmp"}};
        const auto with = [](std::vector<std::string> request, const std::vector<std::string> &options) {
            request.insert(request.end(), options.begin(), options.end());
            return request;
        };
        for (const auto &request : requests) {
            assertRefused(with(request, {"user", "daemon"}), "no place with the folder");
            assertRefused(with(request, {"user", "root"}), "no place with the folder");
            assertRefused(with(request, {"user", "nobody", "group", "shadow"}), "no place with the folder");
        }
        CPPUNIT_ASSERT(!std::filesystem::exists(path_));
        server_.usePool(NOBODY, 4712);
        for (const auto &request : requests) {
            assertRefused(with(request, {"user", "nobody"}), "user \"nobody\" is the agent's");
        }
    }

    void testAnApplicationKeepsItsUserWhenItsLimitsChange() {
        configure(
            "server\nlimited tasks_max\ntasks_max 7\nruby /usr/bin/ruby\nfixed environment\nuser nobody\n"
            "app_root /srv/one\nserver\nuser daemon\napp_root /srv/two\n");
        CPPUNIT_ASSERT_EQUAL(std::size_t{1},
                             ask({RightsVerb::USER_OF, "app_root", "/srv/one", "user", "nobody"}).fields.size());
        if (::geteuid() == 0) {
            const Frame answer =
                ask({RightsVerb::MODIFIED, "/nonexistent", "0", "app_root", "/srv/one", "user", "nobody"});
            CPPUNIT_ASSERT(answer.type == FrameType::RIGHTS_DONE);
        }
        assertRefused({RightsVerb::MODIFIED, "/nonexistent", "0", "app_root", "/srv/other", "user", "daemon"},
                      "no place with the folder");
    }

    void testTheOwnerOfAFileThatIsNoStartupFileIsNoUser() {
        assertRefused({RightsVerb::MODIFIED, "/tmp", "0", "app_root", "/srv/any", "startup_file", "/home/a/.profile"},
                      "startup file \"/home/a/.profile\"");
    }

    void testWithOneUserNoOtherOneSeesFiles() {
        if (::geteuid() != 0) {
            return;
        }
        AgentSettings settings;
        settings.appFiles = path_;
        settings.user = "nobody";
        server_.configure(settings);
        const Frame answer = ask({RightsVerb::APPEND, path_, "user", "daemon"});
        CPPUNIT_ASSERT(answer.type == FrameType::RIGHTS_DONE);
        struct stat status {};
        CPPUNIT_ASSERT_EQUAL(0, ::fstat(answer.descriptors[0].get(), &status));
        CPPUNIT_ASSERT_EQUAL(NOBODY, status.st_uid);
        server_.usePool(NOBODY, 4712);
        assertRefused({RightsVerb::APPEND, path_}, "user \"nobody\" is the agent's");
    }

    void testAWatchHasAsManyFoldersAsItsNumberSays() {
        for (const char *count : {"2", "18446744073709551615"}) {
            assertRefused({RightsVerb::WATCH, "0", count, "/tmp"}, "fewer folders");
        }
    }

    void testOnlyFoldersOfTheRegistryAreRemoved() {
        const std::filesystem::path folder = path_ + ".registry";
        std::filesystem::create_directory(folder);
        const std::string inside = folder / "own";
        const std::string outside = folder / "other";
        AgentSettings settings;
        settings.instanceRegistryDir = inside;
        server_.configure(settings);
        const std::string own = ask({RightsVerb::MAKE_REGISTRY, "5"}).field(0);
        const RegistryFolder other = RegistryFolder::make(outside, 5, ::getpid(), ::getpid());
        const std::string link = folder / "link";
        std::filesystem::create_directory_symlink(inside, link);
        for (const std::string &path :
             {other.path, link + own.substr(inside.size()), inside + "/../own" + own.substr(inside.size())}) {
            assertRefused({RightsVerb::REMOVE_REGISTRY, path}, "no folder of an agent in PassengerInstanceRegistryDir");
        }
        CPPUNIT_ASSERT(other.stands());
        CPPUNIT_ASSERT(std::filesystem::exists(own));
        // The pool process leaves its folder after the rights process has the new settings.
        settings.instanceRegistryDir = outside;
        server_.configure(settings);
        CPPUNIT_ASSERT(ask({RightsVerb::REMOVE_REGISTRY, own}).type == FrameType::RIGHTS_DONE);
        CPPUNIT_ASSERT(!std::filesystem::exists(own));
        std::filesystem::remove_all(folder);
    }

    void testAGroupHasThePoolProcessThatTheWatchdogNames() {
        if (::geteuid() != 0) {
            return;
        }
        class Groups final : public OwnRights {
        public:
            GroupJoined joinGroup(const FileDescriptor & /*pidFd*/, const GroupRequest &wanted) override {
                pool = wanted.pool;
                return {};
            }
            void endEarlierGroups(pid_t pid, const std::vector<std::string> &groups) noexcept override {
                pool = pid;
                kept = groups;
            }
            pid_t pool = 0;
            std::vector<std::string> kept;
        };
        Groups rights;
        RightsServer server(rights);
        server.usePool(NOBODY, 4712);
        const Child child(lonely_);
        Frame request(FrameType::RIGHTS_REQUEST, {RightsVerb::PLACE, "", "app", "0", "0", "0", "0"});
        request.descriptors.push_back(child.pidFd().duplicate());
        CPPUNIT_ASSERT(server.answer(std::move(request), ::getpid()).type == FrameType::RIGHTS_DONE);
        CPPUNIT_ASSERT_EQUAL(pid_t{4712}, std::exchange(rights.pool, 0));
        server.endGroups(Frame(FrameType::RIGHTS_END_GROUP, {"", "app-u1-p2-3"}));
        CPPUNIT_ASSERT_EQUAL(pid_t{4712}, rights.pool);
        CPPUNIT_ASSERT(std::vector<std::string>{"app-u1-p2-3"} == rights.kept);
    }

    void testSeveralLooksAreCheckedOneByOne() {
        if (::geteuid() != 0) {
            return;
        }
        const Frame answer = ask({RightsVerb::SEVERAL, "5", RightsVerb::MODIFIED, "/tmp", "0", "user", "daemon", "5",
                                  RightsVerb::MODIFIED, "/nonexistent", "1", "user", "nobody"});
        CPPUNIT_ASSERT(answer.type == FrameType::RIGHTS_DONE);
        CPPUNIT_ASSERT(std::vector<std::string>({"failed", "0", "done", "0"}) == answer.fields);
    }

    void testOnlyLooksAtFoldersGoTogether() {
        const char *const reason = "several requests are looks at folders";
        assertRefused({RightsVerb::SEVERAL, "4", RightsVerb::APPEND, path_, "user", "nobody"}, reason);
        assertRefused({RightsVerb::SEVERAL, "1", RightsVerb::SEVERAL}, reason);
        assertRefused({RightsVerb::SEVERAL, "6", RightsVerb::MODIFIED, "/tmp", "0", "user", "nobody"}, reason);
        assertRefused({RightsVerb::SEVERAL, "0"}, reason);
    }

    void testAUserThatTheApplicationDoesNotHaveGetsNoSpawnServer() {
        if (::geteuid() != 0) {
            return;
        }
        assertRefused({RightsVerb::START_SPAWN_SERVER, "daemon", "daemon", "app_root", "/tmp", "startup_file", "",
                       "ruby", "", "start_command", "", "app_type", "rack"},
                      "runs as user \"nobody\"");
        assertRefused({RightsVerb::START_SPAWN_SERVER, "root", "root", "app_root", "/", "startup_file", "", "ruby", ""},
                      "runs as user \"nobody\"");
    }

    void testAnApplicationOutsideTheConfigurationGetsNoUser() {
        const Frame answer = ask({RightsVerb::USER_OF, "app_root", "/tmp", "user", "daemon"});
        CPPUNIT_ASSERT(answer.type == FrameType::RIGHTS_DONE);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, answer.fields.size());
        CPPUNIT_ASSERT(answer.fields[0].find("httpd's configuration has no PassengerUser \"daemon\"") !=
                       std::string::npos);
    }

    void testNothingIsStartedAsTheAgentsUser() {
        if (::geteuid() != 0) {
            return;
        }
        const std::vector<std::string> question{
            RightsVerb::USER_OF, "app_root", "/tmp", "startup_file", "", "ruby", ""};
        CPPUNIT_ASSERT_EQUAL(std::string("nobody"), ask(question).field(0));
        server_.usePool(NOBODY, 4712);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, ask(question).fields.size());
        CPPUNIT_ASSERT(ask(question).field(0).find("user \"nobody\" is the agent's") != std::string::npos);
        // The default user is nobody, too.
        assertRefused({RightsVerb::START_PRE_START, "http://127.0.0.1/a"}, "user \"nobody\" is the agent's");
        assertRefused({RightsVerb::START_SPAWN_SERVER, "nobody", "nogroup"}, "user \"nobody\" is the agent's");
    }

    void testAUrlThatTheConfigurationDoesNotNameIsRefused() {
        assertRefused({RightsVerb::START_PRE_START, "http://127.0.0.1/b"}, "PassengerPreStart does not name");
    }

    void testTheCommandOfAnEventIsTheConfigurationsAndHasOnlyItsVariables() {
        const std::string verb = RightsVerb::START_EVENT_COMMAND;
        assertRefused({verb, "PASSENGER_EVENT=a.b"}, "PassengerOnEvent is not set");
        AgentSettings settings;
        settings.onEvent = "true";
        server_.configure(settings);
        for (const std::string variable : {"LD_PRELOAD=/tmp/x.so", "PASSENGER_X", " PASSENGER_X=y", ""}) {
            assertRefused({verb, "PASSENGER_EVENT=a.b", variable}, "gets no variable \"" + variable + "\"");
        }
        assertRefused({verb, std::string("PASSENGER_X=a\0b", 15)}, "gets no variable");
        // Without its descriptor.
        assertRefused({verb, "PASSENGER_EVENT=a.b"}, "");
        settings.defaultUser = "root";
        server_.configure(settings);
        assertRefused({verb, "PASSENGER_EVENT=a.b"}, "user \"root\" is root");
    }

    void testFactsAboutAProcessOfRootAreRefused() {
        if (::geteuid() != 0) {
            return;
        }
        const Child roots(0);
        assertRefused({RightsVerb::FACTS, std::to_string(roots.pid())}, "runs as root");
        assertRefused({RightsVerb::MEMORY, std::to_string(roots.pid()), "0"}, "runs as root");
    }

    void testFactsAboutAProcessThatTheAgentHasNotStartedAreRefused() {
        if (::geteuid() != 0) {
            return;
        }
        const Child one(NOBODY);
        const Child other(NOBODY);
        CPPUNIT_ASSERT(ask({RightsVerb::FACTS, std::to_string(one.pid())}).type == FrameType::RIGHTS_DONE);
        const Frame answer = server_.answer(
            Frame(FrameType::RIGHTS_REQUEST, {RightsVerb::FACTS, std::to_string(one.pid())}), other.pid());
        CPPUNIT_ASSERT(answer.type == FrameType::AGENT_FAILED);
    }

    void testASignalReachesProcessesOfApplicationsOnly() {
        if (::geteuid() != 0) {
            return;
        }
        const Child roots(0);
        const Child applications(NOBODY);
        const Child foreign(NOBODY);
        CPPUNIT_ASSERT(!server_.signal(roots.pidFd(), SIGKILL, ::getpid()).empty());
        CPPUNIT_ASSERT(!server_.signal(foreign.pidFd(), SIGKILL, applications.pid()).empty());
        CPPUNIT_ASSERT_EQUAL(std::string(), server_.signal(applications.pidFd(), SIGKILL, ::getpid()));
        // As after exec of su(1), which waits for a password.
        const Child setUserId(NOBODY, 0);
        assertRefused({RightsVerb::FACTS, std::to_string(setUserId.pid())}, "runs as root");
        CPPUNIT_ASSERT_EQUAL(std::string(), server_.signal(setUserId.pidFd(), SIGKILL, ::getpid()));
        CPPUNIT_ASSERT(setUserId.endsWithin(std::chrono::minutes(1)));
        CPPUNIT_ASSERT(applications.endsWithin(std::chrono::seconds(10)));
        CPPUNIT_ASSERT(!roots.endsWithin(std::chrono::milliseconds(0)));
        CPPUNIT_ASSERT(!foreign.endsWithin(std::chrono::milliseconds(0)));
        const FileDescriptor file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        CPPUNIT_ASSERT(!server_.signal(file, SIGKILL, ::getpid()).empty());
    }

    void testOtherSignalsAreRefused() {
        const Child child(::geteuid() == 0 ? NOBODY : 0);
        for (const int signal : {0, SIGSTOP, SIGSEGV, SIGUSR1, -1, 1000}) {
            CPPUNIT_ASSERT(!server_.signal(child.pidFd(), signal, ::getpid()).empty());
        }
    }

    void testAProcessGetsIntoGroupsOfItsUserOnly() {
        if (::geteuid() != 0) {
            return;
        }
        const Child child(NOBODY);
        CPPUNIT_ASSERT(joinGroup(child, "").type == FrameType::RIGHTS_DONE);
        for (const char *group : {"app-u1-p2-3", "..", "../../app", "app"}) {
            const Frame answer = joinGroup(child, group);
            CPPUNIT_ASSERT_MESSAGE(group, answer.type == FrameType::AGENT_FAILED);
            CPPUNIT_ASSERT(answer.field(1).find("none of the user of process") != std::string::npos);
        }
    }

    void testOnlyProcessesOfApplicationsGetIntoGroups() {
        if (::geteuid() != 0) {
            return;
        }
        const Child roots(0);
        const Child one(NOBODY);
        CPPUNIT_ASSERT(joinGroup(roots, "").field(1).find("runs as root") != std::string::npos);
        CPPUNIT_ASSERT(joinGroup(one, "", roots.pid()).field(1).find("none of the agent's") != std::string::npos);
    }

    void testABootMayHaveAsManyTasksMoreAsItIsGiven() {
        if (::geteuid() != 0) {
            return;
        }
        const Child child(lonely_);
        Frame request(FrameType::RIGHTS_REQUEST, {RightsVerb::PLACE, "", "app", "0", "0", "0", "7"});
        request.descriptors.push_back(child.pidFd().duplicate());
        // A sanitizer may have made a thread in it.
        const std::filesystem::directory_iterator tasks("/proc/" + std::to_string(child.pid()) + "/task");
        const auto count = std::distance(begin(tasks), end(tasks));
        CPPUNIT_ASSERT_EQUAL(std::to_string(count + 7), server_.answer(std::move(request), ::getpid()).field(1));
        CPPUNIT_ASSERT_EQUAL(std::to_string(count), ask({RightsVerb::TASKS, std::to_string(lonely_)}).field(0));
    }

    void testTheLimitOfABootIsLiftedWhereTheRightsSuffice() {
        if (::geteuid() != 0 || !TaskLimit::canLift()) {
            return;
        }
        const Child child(lonely_);
        const rlimit low{9, 9};
        CPPUNIT_ASSERT_EQUAL(0, ::prlimit(child.pid(), RLIMIT_NPROC, &low, nullptr));
        CPPUNIT_ASSERT(about(child, {RightsVerb::END_BOOT}).type == FrameType::RIGHTS_DONE);
        rlimit own{};
        rlimit its{};
        CPPUNIT_ASSERT_EQUAL(0, ::getrlimit(RLIMIT_NPROC, &own));
        CPPUNIT_ASSERT_EQUAL(0, ::prlimit(child.pid(), RLIMIT_NPROC, nullptr, &its));
        CPPUNIT_ASSERT_EQUAL(own.rlim_max, its.rlim_max);
    }

    void testALimitThatStaysIsAFailure() {
        if (::geteuid() != 0) {
            return;
        }
        const Child child(lonely_);
        const ThreadCapabilities all;
        all.limit({});
        const Frame answer = about(child, {RightsVerb::END_BOOT});
        all.restore();
        CPPUNIT_ASSERT(answer.type == FrameType::AGENT_FAILED);
    }

    void testMemoryThatTheKernelDoesNotTellIsAFailure() {
        if (::geteuid() != 0) {
            return;
        }
        const Child child(lonely_);
        const ThreadCapabilities all;
        all.limit({});
        const Frame answer = ask({RightsVerb::MEMORY, std::to_string(child.pid()), "0"});
        all.restore();
        CPPUNIT_ASSERT(answer.type == FrameType::AGENT_FAILED);
        CPPUNIT_ASSERT(ask({RightsVerb::MEMORY, std::to_string(child.pid()), "0"}).type == FrameType::RIGHTS_DONE);
    }

    void testOnlyProcessesOfApplicationsChangeTheirPriority() {
        if (::geteuid() != 0 || !BootPriority::canRestore()) {
            return;
        }
        const Child child(lonely_);
        CPPUNIT_ASSERT(about(child, {RightsVerb::PRIORITY, "1"}).type == FrameType::RIGHTS_DONE);
        CPPUNIT_ASSERT_EQUAL(SCHED_IDLE, ::sched_getscheduler(child.pid()));
        CPPUNIT_ASSERT(about(child, {RightsVerb::PRIORITY, "0"}).type == FrameType::RIGHTS_DONE);
        CPPUNIT_ASSERT_EQUAL(SCHED_OTHER, ::sched_getscheduler(child.pid()));
        const Child roots(0);
        CPPUNIT_ASSERT(about(roots, {RightsVerb::PRIORITY, "1"}).field(1).find("runs as root") != std::string::npos);
        CPPUNIT_ASSERT_EQUAL(SCHED_OTHER, ::sched_getscheduler(roots.pid()));
    }

private:
    /** A user without other processes, also while this test runs in a second build. */
    const uid_t lonely_ = 20000 + static_cast<uid_t>(::getpid()) % 40000;

    void configure(const std::string &grants) {
        AgentSettings settings;
        settings.grants = grants;
        settings.appFiles = path_;
        settings.preStart = "http://127.0.0.1/a";
        server_.configure(settings);
    }

    Frame joinGroup(const Child &child, const std::string &group, pid_t agent = ::getpid()) {
        Frame request(FrameType::RIGHTS_REQUEST, {RightsVerb::PLACE, group, "app", "0", "0", "0", "0"});
        request.descriptors.push_back(child.pidFd().duplicate());
        return server_.answer(std::move(request), agent);
    }

    Frame about(const Child &child, const std::vector<std::string> &fields) {
        Frame request(FrameType::RIGHTS_REQUEST, fields);
        request.descriptors.push_back(child.pidFd().duplicate());
        return server_.answer(std::move(request), ::getpid());
    }

    static constexpr uid_t NOBODY = 65534;

    Frame ask(std::vector<std::string> fields) {
        return server_.answer(Frame(FrameType::RIGHTS_REQUEST, std::move(fields)), ::getpid());
    }

    void assertRefused(std::vector<std::string> fields, const std::string &reason) {
        const std::string name = fields.empty() ? "nothing" : fields[0];
        const Frame answer = ask(std::move(fields));
        CPPUNIT_ASSERT_MESSAGE(name, answer.type == FrameType::AGENT_FAILED);
        CPPUNIT_ASSERT_MESSAGE(name + ": " + answer.field(1), answer.field(1).find(reason) != std::string::npos);
        CPPUNIT_ASSERT(answer.descriptors.empty());
    }

    const std::string path_ = "/tmp/passenger-unit-RightsServerTest." + std::to_string(::getpid());
    OwnRights own_;
    RightsServer server_{own_};
};

CPPUNIT_TEST_SUITE_REGISTRATION(RightsServerTest);

}  // namespace Passenger
