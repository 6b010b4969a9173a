#include "spawning/SpawnedProcess.h"

#include <cppunit/extensions/HelperMacros.h>
#include <signal.h>
#include <unistd.h>

#include "base/ChildProcess.h"
#include "support/Expect.h"
#include "support/LeakCheck.h"

namespace Passenger {

using namespace std::chrono_literals;

class SpawnedProcessTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(SpawnedProcessTest);
    CPPUNIT_TEST(testAProcessWithTheExpectedParentIsAccepted);
    CPPUNIT_TEST(testAProcessWithAnotherParentIsRefused);
    CPPUNIT_TEST(testAnotherUsersProcessIsRefused);
    CPPUNIT_TEST(testImpossiblePidsAreRefused);
    CPPUNIT_TEST(testAProcessThatHasEndedGivesAnEmptyObject);
    CPPUNIT_TEST(testTheDestructorKillsTheProcess);
    CPPUNIT_TEST(testAReleasedProcessLivesOn);
    CPPUNIT_TEST(testOnlyMessagesOfTheProcessItselfAreAccepted);
    CPPUNIT_TEST_SUITE_END();

    ChildProcess child_;
    SpawnedProcess::Expected expected_;

    std::string refusal(pid_t pid, const SpawnedProcess::Expected &expected) {
        return thrownBy<ProtocolException>([&] { SpawnedProcess(pid, expected); }).what();
    }

public:
    void setUp() override {
        LeakCheck::setUp();
        ChildProcess::Command command;
        command.program = "sleep";
        command.arguments = {"1000"};
        child_ = ChildProcess(command);
        expected_ = {::getpid(), ::getuid()};
    }

    void tearDown() override {
        child_ = ChildProcess();
        LeakCheck::tearDown();
    }

    void testAProcessWithTheExpectedParentIsAccepted() {
        SpawnedProcess process(child_.pid(), expected_);
        CPPUNIT_ASSERT(static_cast<bool>(process));
        CPPUNIT_ASSERT_EQUAL(child_.pid(), process.pid());
        CPPUNIT_ASSERT(!process.ended());
    }

    void testAProcessWithAnotherParentIsRefused() {
        expected_.parent = ::getppid();
        CPPUNIT_ASSERT(refusal(child_.pid(), expected_).find("not the process that was started") != std::string::npos);
        CPPUNIT_ASSERT_MESSAGE("It must not be harmed", !child_.wait(0ms).has_value());
    }

    void testAnotherUsersProcessIsRefused() {
        expected_.uid += 1;
        CPPUNIT_ASSERT(refusal(child_.pid(), expected_).find("user id") != std::string::npos);
    }

    void testImpossiblePidsAreRefused() {
        for (const pid_t pid : {-1, 0, 1, ::getpid()}) {
            CPPUNIT_ASSERT(refusal(pid, expected_).find("cannot be the pid") != std::string::npos);
        }
    }

    void testAProcessThatHasEndedGivesAnEmptyObject() {
        child_.signal(SIGKILL);
        CPPUNIT_ASSERT(waitPidFd(child_.pidFd(), 60s));
        const SpawnedProcess zombie(child_.pid(), expected_);
        CPPUNIT_ASSERT(!zombie);
        CPPUNIT_ASSERT(zombie.ended());
    }

    void testTheDestructorKillsTheProcess() {
        { const SpawnedProcess process(child_.pid(), expected_); }
        CPPUNIT_ASSERT_EQUAL(std::string("killed by signal 9 (Killed)"), describeWaitStatus(child_.wait(60s).value()));
    }

    void testAReleasedProcessLivesOn() {
        FileDescriptor pidFd;
        {
            SpawnedProcess process(child_.pid(), expected_);
            pidFd = process.release();
            CPPUNIT_ASSERT(!process);
        }
        CPPUNIT_ASSERT(!waitPidFd(pidFd, 0ms));
    }

    void testOnlyMessagesOfTheProcessItselfAreAccepted() {
        const SpawnedProcess process(child_.pid(), expected_);
        process.confirm({child_.pid(), ::getuid(), ::getgid()});
        thrownBy<ProtocolException>([&] { process.confirm({::getpid(), ::getuid(), ::getgid()}); });
        thrownBy<ProtocolException>([&] { process.confirm({child_.pid(), ::getuid() + 1, ::getgid()}); });
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SpawnedProcessTest);

}  // namespace Passenger
