#include "rights/Cgroups.h"

#include <cppunit/extensions/HelperMacros.h>

#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "base/Exceptions.h"
#include "base/FileDescriptor.h"
#include "rights/CgroupPlace.h"
#include "support/Eventually.h"

namespace Passenger {

/**
 * The groups of an agent: in a folder of files that stands for the kernel's, and in the kernel's
 * own, if this process may make groups there.
 */
class CgroupsTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(CgroupsTest);
    CPPUNIT_TEST(testNamesTellTheUserAndAreNoPaths);
    CPPUNIT_TEST(testTwoGroupsOfAnApplicationHaveDifferentNames);
    CPPUNIT_TEST(testAnAgentHasALimitedNumberOfGroups);
    CPPUNIT_TEST(testWithoutLimitsNothingIsWritten);
    CPPUNIT_TEST(testLimitsAreWrittenInTheKernelsUnits);
    CPPUNIT_TEST(testALimitThatIsTakenBackIsLifted);
    CPPUNIT_TEST(testALimitWithoutItsControllerIsAProblemThatNamesBoth);
    CPPUNIT_TEST(testAGroupWithProcessesGivesNoController);
    CPPUNIT_TEST(testTheEffectsOfLimitsAreRead);
    CPPUNIT_TEST(testOnlyTheFoldersOfDeadAgentsAreRemoved);
    CPPUNIT_TEST(testALivingAgentKeepsItsFolderWhatsoeverItsPid);
    CPPUNIT_TEST(testAgentsOfOtherPidNamespacesAreLeftAlone);
    CPPUNIT_TEST(testProcessesOfOtherPidNamespacesAreLeftAlone);
    CPPUNIT_TEST(testAFolderThatIsLockedAgainIsNoLongerLeft);
    CPPUNIT_TEST(testAProcessEndsWithItsGroupAndItsChildrenToo);
    CPPUNIT_TEST(testGroupsOfEarlierPoolProcessesEndAlone);
    CPPUNIT_TEST(testProcessesOfADeadAgentMayStayForAWhile);
    CPPUNIT_TEST(testAGroupThatDoesNotEndIsTriedForATimeHoweverManyTurnsThatIs);
    CPPUNIT_TEST(testAtTheEndNothingIsLeft);
    CPPUNIT_TEST_SUITE_END();

public:
    void setUp() override {
        std::filesystem::create_directories(place_);
        std::ofstream(place_ + "/cgroup.controllers") << "cpu memory\n";
    }
    void tearDown() override { std::filesystem::remove_all(place_); }

    void testNamesTellTheUserAndAreNoPaths() {
        Cgroups groups(place_, ::getpid());
        const std::string name = groups.make("my app/..\n", 1234, 99);
        CPPUNIT_ASSERT_EQUAL(std::string("my_app____-u1234-p99-1"), name);
        CPPUNIT_ASSERT(std::filesystem::is_directory(groups.folder() + "/" + name));
        CPPUNIT_ASSERT_EQUAL(uid_t{1234}, Cgroups::userOf(name).value());
        CPPUNIT_ASSERT_EQUAL(uid_t{5}, Cgroups::userOf("a-u9-p9-9-u5-p6-7").value());
        for (const char *other : {"", "..", "a", "../a-u1-p1-1", "a-u1-p1-", "a-u1-p1", "a-ux-p1-1", "a-u1-px-1",
                                  "a-u-1-p1-1", "/a-u1-p1-1", "a-u1-p1-1/", "a-u1-p1-1\n"}) {
            CPPUNIT_ASSERT_MESSAGE(other, !Cgroups::userOf(other));
        }
    }

    void testTwoGroupsOfAnApplicationHaveDifferentNames() {
        Cgroups groups(place_, ::getpid());
        CPPUNIT_ASSERT(groups.make("blog", 1, 2) != groups.make("blog", 1, 2));
    }

    void testAnAgentHasALimitedNumberOfGroups() {
        const std::string folder = place_ + "/" + Cgroups::folderOf(::getpid());
        std::filesystem::create_directories(folder);
        std::ofstream(folder + "/cgroup.max.descendants").flush();
        const Cgroups groups(place_, ::getpid());
        std::ifstream file(folder + "/cgroup.max.descendants");
        const std::string written{std::istreambuf_iterator<char>(file), {}};
        CPPUNIT_ASSERT_EQUAL(std::string("16384"), written);
    }

    void testWithoutLimitsNothingIsWritten() {
        Cgroups groups(place_, ::getpid());
        const std::string name = groups.make("blog", 1, 2);
        CPPUNIT_ASSERT(groups.limit(name, {}).empty());
        CPPUNIT_ASSERT(std::filesystem::is_empty(groups.folder() + "/" + name));
    }

    void testLimitsAreWrittenInTheKernelsUnits() {
        Cgroups groups(place_, ::getpid());
        const std::string name = withFiles(groups);
        CPPUNIT_ASSERT(groups.limit(name, {5000, 20, 7}).empty());
        CPPUNIT_ASSERT_EQUAL(std::string("5242880000"), content(groups, name, "memory.max"));
        CPPUNIT_ASSERT_EQUAL(std::string("20"), content(groups, name, "cpu.weight"));
        CPPUNIT_ASSERT_EQUAL(std::string("7"), content(groups, name, "pids.max"));
    }

    void testALimitThatIsTakenBackIsLifted() {
        Cgroups groups(place_, ::getpid());
        const std::string name = withFiles(groups);
        CPPUNIT_ASSERT(groups.limit(name, {}).empty());
        CPPUNIT_ASSERT_EQUAL(std::string("max"), content(groups, name, "memory.max"));
        CPPUNIT_ASSERT_EQUAL(std::string("100"), content(groups, name, "cpu.weight"));
        CPPUNIT_ASSERT_EQUAL(std::string("max"), content(groups, name, "pids.max"));
    }

    void testALimitWithoutItsControllerIsAProblemThatNamesBoth() {
        Cgroups groups(place_, ::getpid());
        // 100 is a limit of tasks, too, though it is the kernel's own weight.
        for (const unsigned tasks : {7U, 100U}) {
            const auto problems = groups.limit(groups.make("blog", 1, 2), {0, 100, tasks});
            CPPUNIT_ASSERT_EQUAL(std::size_t{1}, problems.size());
            for (const char *part : {"PassengerTasksMax", "\"pids\"", "Delegate=yes"}) {
                CPPUNIT_ASSERT_MESSAGE(problems[0], problems[0].find(part) != std::string::npos);
            }
        }
    }

    void testAGroupWithProcessesGivesNoController() {
        std::ofstream(place_ + "/cgroup.type") << "domain\n";
        std::ofstream(place_ + "/cgroup.procs") << "1\n";
        const std::string given = place_ + "/cgroup.subtree_control";
        std::ofstream(given) << "";
        Cgroups groups(place_, ::getpid());
        const auto problems = groups.limit(groups.make("blog", 1, 2), {0, 20, 0});
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, problems.size());
        CPPUNIT_ASSERT_MESSAGE(problems.front(),
                               problems.front().find("has processes of its own") != std::string::npos);
        CPPUNIT_ASSERT(std::filesystem::is_empty(given));
    }

    void testTheEffectsOfLimitsAreRead() {
        Cgroups groups(place_, ::getpid());
        const std::string path = groups.pathOf(groups.make("blog", 1, 2));
        CPPUNIT_ASSERT(CgroupEvents() == Cgroups::eventsIn(path));
        // Linux 6.18 has these lines (cgroup-v2, memory.events and pids.events).
        std::ofstream(path + "/memory.events") << "low 1\nhigh 2\nmax 3\noom 4\noom_kill 5\noom_group_kill 6\n";
        std::ofstream(path + "/pids.events") << "max 7\n";
        CPPUNIT_ASSERT((CgroupEvents{5, 3, 7}) == Cgroups::eventsIn(path));
    }

    void testOnlyTheFoldersOfDeadAgentsAreRemoved() {
        const std::string its = place_ + "/" + Cgroups::folderOf(deadProcess());
        const std::string living = place_ + "/" + Cgroups::folderOf(::getppid());
        for (const std::string &folder : {its + "/blog-u1-p2-3", living, place_ + "/passenger.x"}) {
            std::filesystem::create_directories(folder);
        }
        Cgroups groups(place_, ::getpid());
        CPPUNIT_ASSERT(groups.untilTidy().has_value());
        groups.tidy(std::chrono::steady_clock::now());
        CPPUNIT_ASSERT(!groups.untilTidy());
        CPPUNIT_ASSERT(!std::filesystem::exists(its));
        for (const std::string &folder : {living, place_ + "/passenger.x", groups.folder()}) {
            CPPUNIT_ASSERT_MESSAGE(folder, std::filesystem::exists(folder));
        }
    }

    void testALivingAgentKeepsItsFolderWhatsoeverItsPid() {
        auto living = std::make_unique<Cgroups>(place_, deadProcess());
        const std::string folder = living->folder();
        Cgroups groups(place_, ::getpid());
        CPPUNIT_ASSERT(!groups.untilTidy());
        living.reset();
        Cgroups next(place_, ::getpid());
        CPPUNIT_ASSERT(next.untilTidy().has_value());
        next.tidy(std::chrono::steady_clock::now());
        CPPUNIT_ASSERT(!std::filesystem::exists(folder));
    }

    void testAgentsOfOtherPidNamespacesAreLeftAlone() {
        if (::geteuid() != 0) {
            return;
        }
        Cgroups groups(place_, ::getpid());
        const std::string path = groups.pathOf(groups.make("blog", 1, 2));
        AgentElsewhere other(place_);
        // The pid of the agent is 1, as is that of the init process of its namespace.
        const std::string its = other.folder();
        CPPUNIT_ASSERT_MESSAGE(its, its.find("/passenger.1.") != std::string::npos);
        CPPUNIT_ASSERT_MESSAGE("It finds this agent's folder, and leaves it alone", std::filesystem::exists(path));
        Cgroups next(place_, deadProcess());
        CPPUNIT_ASSERT(!next.untilTidy());
        CPPUNIT_ASSERT(std::filesystem::exists(its));
        other.kill();
        Cgroups last(place_, deadProcess());
        last.tidy(std::chrono::steady_clock::now());
        CPPUNIT_ASSERT(!std::filesystem::exists(its));
        CPPUNIT_ASSERT(std::filesystem::exists(path));
    }

    void testProcessesOfOtherPidNamespacesAreLeftAlone() {
        const std::string folder = place_ + "/" + Cgroups::folderOf(deadProcess());
        std::filesystem::create_directories(folder + "/blog-u1-p2-3");
        std::ofstream(folder + "/blog-u1-p2-3/cgroup.procs") << "0\n";
        CPPUNIT_ASSERT(!Cgroups(place_, ::getpid()).untilTidy());
        std::ofstream(folder + "/blog-u1-p2-3/cgroup.procs") << "10\n";
        CPPUNIT_ASSERT(Cgroups(place_, ::getpid()).untilTidy().has_value());
    }

    void testAFolderThatIsLockedAgainIsNoLongerLeft() {
        const pid_t dead = deadProcess();
        const std::string folder = place_ + "/" + Cgroups::folderOf(dead);
        std::filesystem::create_directories(folder);
        Cgroups groups(place_, ::getpid());
        CPPUNIT_ASSERT(groups.untilTidy().has_value());
        const Cgroups again(place_, dead);
        groups.tidy(std::chrono::steady_clock::now() + Cgroups::LEFTOVERS_MAY_STAY);
        CPPUNIT_ASSERT(!groups.untilTidy());
        CPPUNIT_ASSERT(std::filesystem::exists(folder));
    }

    void testAProcessEndsWithItsGroupAndItsChildrenToo() {
        inKernel([](Cgroups &groups, const std::string &) {
            const std::string name = groups.make("blog", ::getuid(), 1);
            const pid_t process = familyIn(groups, name);
            const std::string path = groups.folder() + "/" + name;
            CPPUNIT_ASSERT_EQUAL(2L, lines(path + "/cgroup.procs"));
            groups.end(name);
            CPPUNIT_ASSERT_EQUAL(process, ::waitpid(process, nullptr, 0));
            assertTidied(groups);
            CPPUNIT_ASSERT(!std::filesystem::exists(path));
        });
    }

    void testGroupsOfEarlierPoolProcessesEndAlone() {
        inKernel([](Cgroups &groups, const std::string &) {
            const std::string old = groups.make("blog", ::getuid(), 1);
            const std::string kept = groups.make("shop", ::getuid(), 1);
            const std::string present = groups.make("blog", ::getuid(), 2);
            const pid_t one = familyIn(groups, old);
            const pid_t two = familyIn(groups, kept);
            const pid_t three = familyIn(groups, present);
            groups.endOthersThan(2, {kept});
            CPPUNIT_ASSERT_EQUAL(one, ::waitpid(one, nullptr, 0));
            for (const std::string &name : {kept, present}) {
                CPPUNIT_ASSERT_EQUAL(2L, lines(groups.folder() + "/" + name + "/cgroup.procs"));
                groups.end(name);
            }
            CPPUNIT_ASSERT_EQUAL(two, ::waitpid(two, nullptr, 0));
            CPPUNIT_ASSERT_EQUAL(three, ::waitpid(three, nullptr, 0));
            assertTidied(groups);
        });
    }

    void testProcessesOfADeadAgentMayStayForAWhile() {
        inKernel([](Cgroups &, const std::string &place) {
            const pid_t agent = ::fork();
            if (agent == 0) {
                ::_exit(0);
            }
            auto left = std::make_unique<Cgroups>(place, agent);
            const std::string folder = left->folder();
            const pid_t process = familyIn(*left, left->make("blog", ::getuid(), 1));
            ::waitpid(agent, nullptr, 0);
            left.reset();
            Cgroups next(place, ::getpid());
            const auto now = std::chrono::steady_clock::now();
            next.tidy(now);
            CPPUNIT_ASSERT_EQUAL(0, ::kill(process, 0));
            CPPUNIT_ASSERT(std::filesystem::exists(folder));
            next.tidy(now + Cgroups::LEFTOVERS_MAY_STAY);
            CPPUNIT_ASSERT_EQUAL(process, ::waitpid(process, nullptr, 0));
            auto later = now + Cgroups::LEFTOVERS_MAY_STAY;
            CPPUNIT_ASSERT(eventually([&] {
                later += std::chrono::seconds(1);
                next.tidy(later);
                return !std::filesystem::exists(folder);
            }));
        });
    }

    void testAGroupThatDoesNotEndIsTriedForATimeHoweverManyTurnsThatIs() {
        Cgroups groups(place_, ::getpid());
        const std::string first = groups.make("blog", 1, 2);
        const std::string second = groups.make("shop", 1, 2);
        // It keeps the folder, as a process keeps a group.
        std::ofstream(groups.pathOf(first) + "/file").flush();
        std::ofstream(groups.pathOf(second) + "/file").flush();
        const auto before = std::chrono::steady_clock::now();
        groups.endOthersThan(3, {});
        const auto after = std::chrono::steady_clock::now();
        for (int turn = 0; turn < 4000; ++turn) {
            groups.tidy(before);
        }
        groups.tidy(before + std::chrono::seconds(59));
        CPPUNIT_ASSERT(groups.untilTidy().has_value());
        std::filesystem::remove(groups.pathOf(first) + "/file");
        // Not again at once.
        groups.tidy(before + std::chrono::seconds(59));
        CPPUNIT_ASSERT(std::filesystem::exists(groups.pathOf(first)));
        groups.tidy(after + std::chrono::seconds(60));
        CPPUNIT_ASSERT(!std::filesystem::exists(groups.pathOf(first)));
        CPPUNIT_ASSERT(std::filesystem::exists(groups.pathOf(second)));
        CPPUNIT_ASSERT(!groups.untilTidy());
    }

    void testAtTheEndNothingIsLeft() {
        inKernel([](Cgroups &groups, const std::string &) {
            const pid_t process = familyIn(groups, groups.make("blog", ::getuid(), 1));
            groups.make("shop", ::getuid(), 1);
            groups.endAll(std::chrono::steady_clock::now() + std::chrono::seconds(60));
            CPPUNIT_ASSERT_EQUAL(process, ::waitpid(process, nullptr, 0));
            CPPUNIT_ASSERT(!std::filesystem::exists(groups.folder()));
        });
    }

private:
    /** The pid of a process that has ended. */
    static pid_t deadProcess() {
        const pid_t dead = ::fork();
        if (dead == 0) {
            ::_exit(0);
        }
        ::waitpid(dead, nullptr, 0);
        return dead;
    }

    /** An agent as the first process of a PID namespace of its own. It looks for leftovers and
     *  tidies at once, as if the time of all had passed. */
    class AgentElsewhere {
    public:
        explicit AgentElsewhere(const std::string &place) {
            const DescriptorPair ready = makePipe();
            outer_ = ::fork();
            if (outer_ == 0) {
                ::prctl(PR_SET_PDEATHSIG, SIGKILL);
                ::_exit(::unshare(CLONE_NEWPID) == 0 ? begin(place, ready.second.get()) : 1);
            }
            std::array<char, 4096> text{};
            const ssize_t size = ::read(ready.first.get(), text.data(), text.size());
            CPPUNIT_ASSERT(size > 0);
            folder_.assign(text.data(), static_cast<std::size_t>(size));
        }
        ~AgentElsewhere() { kill(); }
        AgentElsewhere(const AgentElsewhere &) = delete;
        AgentElsewhere &operator=(const AgentElsewhere &) = delete;

        const std::string &folder() const noexcept { return folder_; }
        /** Its parent kills it, and ends then. */
        void kill() {
            if (outer_ > 0) {
                ::kill(outer_, SIGTERM);
                ::waitpid(outer_, nullptr, 0);
                outer_ = -1;
            }
        }

    private:
        static int begin(const std::string &place, int ready) {
            sigset_t ending;
            ::sigemptyset(&ending);
            ::sigaddset(&ending, SIGTERM);
            ::sigprocmask(SIG_BLOCK, &ending, nullptr);
            const pid_t agent = ::fork();
            if (agent == 0) {
                ::prctl(PR_SET_PDEATHSIG, SIGKILL);
                Cgroups groups(place, ::getpid());
                groups.tidy(std::chrono::steady_clock::now() + Cgroups::LEFTOVERS_MAY_STAY);
                const std::string &folder = groups.folder();
                const ssize_t written = ::write(ready, folder.data(), folder.size());
                while (written > 0 && ::pause() != 0) {
                }
                ::_exit(1);
            }
            int signal = 0;
            ::sigwait(&ending, &signal);
            ::kill(agent, SIGKILL);
            return ::waitpid(agent, nullptr, 0) == agent ? 0 : 1;
        }

        pid_t outer_ = -1;
        std::string folder_;
    };

    /** A process of the group, and a child of it in another session. */
    static pid_t familyIn(Cgroups &groups, const std::string &name) {
        const pid_t process = ::fork();
        if (process == 0) {
            // Not a copy of the lock on the folder.
            ::closefrom(STDERR_FILENO + 1);
            ::raise(SIGSTOP);
            if (::fork() == 0) {
                ::setsid();
            }
            for (;;) {
                ::pause();
            }
        }
        ::waitpid(process, nullptr, WUNTRACED);
        groups.add(name, process);
        ::kill(process, SIGCONT);
        CPPUNIT_ASSERT(eventually([&] { return lines(groups.folder() + "/" + name + "/cgroup.procs") == 2; }));
        return process;
    }

    static void assertTidied(Cgroups &groups) {
        CPPUNIT_ASSERT(eventually([&] {
            groups.tidy(std::chrono::steady_clock::now());
            return !groups.untilTidy();
        }));
    }

    static long lines(const std::string &path) {
        std::ifstream file(path);
        return std::count(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>(), '\n');
    }

    static std::string withFiles(Cgroups &groups) {
        std::string name = groups.make("blog", 1, 2);
        for (const char *file : {"memory.max", "cpu.weight", "pids.max"}) {
            std::ofstream(groups.folder() + "/" + name + "/" + file).flush();
        }
        return name;
    }
    static std::string content(const Cgroups &groups, const std::string &name, const std::string &file) {
        std::ifstream stream(groups.folder() + "/" + name + "/" + file);
        std::string text;
        std::getline(stream, text);
        return text;
    }

    /** Nothing happens where this process may make no groups. The group of this test is empty at
     *  its end. */
    template <typename Test> static void inKernel(Test test) {
        const auto found = CgroupPlace::find(CgroupPlace::Facts::ofThisProcess());
        if (!found) {
            return;
        }
        const std::string place = *found + "/passenger-unit." + std::to_string(::getpid());
        std::filesystem::create_directory(place);
        {
            Cgroups groups(place, ::getpid());
            test(groups, place);
            std::filesystem::remove(groups.folder());
        }
        CPPUNIT_ASSERT(std::filesystem::remove(place));
    }

    const std::string place_ = "/tmp/passenger-unit-CgroupsTest." + std::to_string(::getpid());
};

CPPUNIT_TEST_SUITE_REGISTRATION(CgroupsTest);

}  // namespace Passenger
