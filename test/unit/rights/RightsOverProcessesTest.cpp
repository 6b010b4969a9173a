#include <cppunit/extensions/HelperMacros.h>

#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
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
#include "support/RightsFixture.h"

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

/** What the rights process does to processes, and refuses to do. */
class RightsOverProcessesTest : public RightsFixture {
    CPPUNIT_TEST_SUITE(RightsOverProcessesTest);
    CPPUNIT_TEST(testAGroupHasThePoolProcessThatTheWatchdogNames);
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
        RightsServer server(rights, ::getpid());
        server.usePool(NOBODY, 4712);
        const Child child(lonely_);
        Frame request(FrameType::RIGHTS_REQUEST, {RightsVerb::PLACE, "", "app", "0", "0", "0", "0"});
        request.descriptors.push_back(child.pidFd().duplicate());
        CPPUNIT_ASSERT(server.answer(std::move(request)).type == FrameType::RIGHTS_DONE);
        CPPUNIT_ASSERT_EQUAL(pid_t{4712}, std::exchange(rights.pool, 0));
        server.endGroups(Frame(FrameType::RIGHTS_END_GROUP, {"", "app-u1-p2-3"}));
        CPPUNIT_ASSERT_EQUAL(pid_t{4712}, rights.pool);
        CPPUNIT_ASSERT(std::vector<std::string>{"app-u1-p2-3"} == rights.kept);
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
        Frame request(FrameType::RIGHTS_REQUEST, {RightsVerb::FACTS, std::to_string(one.pid())});
        CPPUNIT_ASSERT(RightsServer(own_, other.pid()).answer(std::move(request)).type == FrameType::AGENT_FAILED);
    }

    void testASignalReachesProcessesOfApplicationsOnly() {
        if (::geteuid() != 0) {
            return;
        }
        const Child roots(0);
        const Child applications(NOBODY);
        const Child foreign(NOBODY);
        CPPUNIT_ASSERT(!server_.signal(roots.pidFd(), SIGKILL).empty());
        CPPUNIT_ASSERT(!RightsServer(own_, applications.pid()).signal(foreign.pidFd(), SIGKILL).empty());
        CPPUNIT_ASSERT_EQUAL(std::string(), server_.signal(applications.pidFd(), SIGKILL));
        // As after exec of su(1), which waits for a password.
        const Child setUserId(NOBODY, 0);
        assertRefused({RightsVerb::FACTS, std::to_string(setUserId.pid())}, "runs as root");
        CPPUNIT_ASSERT_EQUAL(std::string(), server_.signal(setUserId.pidFd(), SIGKILL));
        CPPUNIT_ASSERT(setUserId.endsWithin(std::chrono::minutes(1)));
        CPPUNIT_ASSERT(applications.endsWithin(std::chrono::seconds(10)));
        CPPUNIT_ASSERT(!roots.endsWithin(std::chrono::milliseconds(0)));
        CPPUNIT_ASSERT(!foreign.endsWithin(std::chrono::milliseconds(0)));
        const FileDescriptor file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        CPPUNIT_ASSERT(!server_.signal(file, SIGKILL).empty());
    }

    void testOtherSignalsAreRefused() {
        const Child child(::geteuid() == 0 ? NOBODY : 0);
        for (const int signal : {0, SIGSTOP, SIGSEGV, SIGUSR1, -1, 1000}) {
            CPPUNIT_ASSERT(!server_.signal(child.pidFd(), signal).empty());
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
        CPPUNIT_ASSERT_EQUAL(std::to_string(count + 7), server_.answer(std::move(request)).field(1));
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

    Frame joinGroup(const Child &child, const std::string &group, pid_t agent = ::getpid()) {
        Frame request(FrameType::RIGHTS_REQUEST, {RightsVerb::PLACE, group, "app", "0", "0", "0", "0"});
        request.descriptors.push_back(child.pidFd().duplicate());
        RightsServer server(own_, agent);
        server.usePool(63170, 4711);
        return server.answer(std::move(request));
    }

    Frame about(const Child &child, const std::vector<std::string> &fields) {
        Frame request(FrameType::RIGHTS_REQUEST, fields);
        request.descriptors.push_back(child.pidFd().duplicate());
        return server_.answer(std::move(request));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(RightsOverProcessesTest);

}  // namespace Passenger
