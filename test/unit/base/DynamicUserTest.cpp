#include "base/DynamicUser.h"

#include <cppunit/extensions/HelperMacros.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "base/Exceptions.h"
#include "base/FileContent.h"
#include "base/FileDescriptor.h"
#include "base/ProcessTree.h"
#include "base/UserSwitch.h"
#include "support/Eventually.h"
#include "support/Expect.h"
#include "support/LeakCheck.h"

namespace Passenger {

class DynamicUserTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(DynamicUserTest);
    CPPUNIT_TEST(testThePreferredNumberIsTakenIfItIsFree);
    CPPUNIT_TEST(testTheNextFreeNumberIsTakenAndTheSearchGoesRound);
    CPPUNIT_TEST(testARangeWithoutAFreeNumberIsAnErrorWithARemedy);
    CPPUNIT_TEST(testAProcessHasTheIdsOfItsStatus);
    CPPUNIT_TEST(testTheChosenNumberHasNoAccountAndNoGroup);
    CPPUNIT_TEST(testANumberOfAProcessIsNotChosen);
    CPPUNIT_TEST(testANamedAccountIsUsedWithItsGroup);
    CPPUNIT_TEST(testAnUnknownUserAndRootAreRefusedWithARemedy);
    CPPUNIT_TEST_SUITE_END();

    using Ids = std::set<id_t>;

    static constexpr id_t FIRST = DynamicUser::FIRST;
    static constexpr id_t LAST = DynamicUser::LAST;
    static constexpr id_t PREFERRED = DynamicUser::PREFERRED;

    static bool isOfAProcess(id_t id) {
        const std::vector<pid_t> pids = allPids();
        return std::any_of(pids.begin(), pids.end(), [id](pid_t pid) {
            return DynamicUser::idsIn(fileContent("/proc/" + std::to_string(pid) + "/status")).contains(id);
        });
    }

public:
    void testThePreferredNumberIsTakenIfItIsFree() {
        CPPUNIT_ASSERT_EQUAL(PREFERRED + 0, DynamicUser::firstFree([](id_t) { return false; }));
    }

    void testTheNextFreeNumberIsTakenAndTheSearchGoesRound() {
        CPPUNIT_ASSERT_EQUAL(PREFERRED + 2, DynamicUser::firstFree([](id_t id) { return id < PREFERRED + 2; }));
        CPPUNIT_ASSERT_EQUAL(LAST + 0, DynamicUser::firstFree([](id_t id) { return id != LAST; }));
        CPPUNIT_ASSERT_EQUAL(FIRST + 0, DynamicUser::firstFree([](id_t id) { return id >= PREFERRED; }));
        CPPUNIT_ASSERT_EQUAL(PREFERRED - 1, DynamicUser::firstFree([](id_t id) { return id != PREFERRED - 1; }));
    }

    void testARangeWithoutAFreeNumberIsAnErrorWithARemedy() {
        const auto error = thrownBy<IOException>([] { DynamicUser::firstFree([](id_t) { return true; }); });
        CPPUNIT_ASSERT_EQUAL(std::string("no number from 61184 to 65519 is free for the agent's user: set "
                                         "PassengerAgentUser to an ordinary user"),
                             std::string(error.what()));
    }

    void testAProcessHasTheIdsOfItsStatus() {
        const Ids ids{1, 2, 3, 4, 5, 6, 7, 8, 61184, 9};
        CPPUNIT_ASSERT(ids == DynamicUser::idsIn("Name:\tUid: 77\nPid:\t70\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\n"
                                                 "FDSize:\t64\nGroups:\t61184 9 \nNStgid:\t70\n"));
        CPPUNIT_ASSERT(DynamicUser::idsIn("").empty());
        CPPUNIT_ASSERT(DynamicUser::idsIn("Groups:\t \n").empty());
    }

    void testTheChosenNumberHasNoAccountAndNoGroup() {
        const FileRights rights = DynamicUser::choose("");
        CPPUNIT_ASSERT(rights.uid >= FIRST && rights.uid <= LAST);
        CPPUNIT_ASSERT_EQUAL(rights.uid, rights.gid);
        CPPUNIT_ASSERT(rights.groups == std::vector<gid_t>{rights.gid});
        CPPUNIT_ASSERT(::getpwuid(rights.uid) == nullptr);
        CPPUNIT_ASSERT(::getgrgid(rights.gid) == nullptr);
    }

    void testANumberOfAProcessIsNotChosen() {
        if (::geteuid() != 0) {
            return;
        }
        const FileRights rights = DynamicUser::choose("");
        DescriptorPair ready = makePipe();
        const pid_t child = ::fork();
        if (child == 0) {
            switchUser(rights);
            ready.second.reset();
            ::pause();
            ::_exit(0);
        }
        ready.second.reset();
        char end = 0;
        static_cast<void>(!::read(ready.first.get(), &end, 1));
        const FileRights other = DynamicUser::choose("");
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);

        CPPUNIT_ASSERT(other.uid != rights.uid);
        // A process of another test may have taken the number meanwhile.
        CPPUNIT_ASSERT(
            eventually([&] { return DynamicUser::choose("").uid == rights.uid || isOfAProcess(rights.uid); }));
    }

    void testANamedAccountIsUsedWithItsGroup() {
        const passwd &nobody = *::getpwnam("nobody");
        const FileRights expected{nobody.pw_uid, nobody.pw_gid, {nobody.pw_gid}};
        CPPUNIT_ASSERT(expected == DynamicUser::choose("nobody"));
    }

    void testAnUnknownUserAndRootAreRefusedWithARemedy() {
        const std::string remedy = ": name an ordinary user, or remove the directive for a number that nobody has";
        CPPUNIT_ASSERT_EQUAL("PassengerAgentUser \"no-such-user\": no such user exists" + remedy,
                             std::string(thrownBy<IOException>([] { DynamicUser::choose("no-such-user"); }).what()));
        CPPUNIT_ASSERT_EQUAL("PassengerAgentUser \"root\": this user is root, or has root's group" + remedy,
                             std::string(thrownBy<IOException>([] { DynamicUser::choose("root"); }).what()));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(DynamicUserTest);

}  // namespace Passenger
