#include "base/PidFd.h"

#include <cppunit/extensions/HelperMacros.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>

#include "base/ChildProcess.h"
#include "support/Expect.h"
#include "support/LeakCheck.h"

namespace Passenger {

class PidFdTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(PidFdTest);
    CPPUNIT_TEST(testAMissingProcessIsAnError);
    CPPUNIT_TEST(testWaitingForARunningProcessTimesOut);
    CPPUNIT_TEST(testASignalToAReapedProcessIsNotSent);
    CPPUNIT_TEST(testAWrongSignalIsAnError);
    CPPUNIT_TEST_SUITE_END();

public:
    void testAMissingProcessIsAnError() {
        ChildProcess::Command command;
        command.program = "true";
        ChildProcess child(command);
        const pid_t pid = child.pid();
        child.wait(std::chrono::seconds(60));
        CPPUNIT_ASSERT_EQUAL(ESRCH, errorOf([&] { openPidFd(pid); }));
    }

    void testWaitingForARunningProcessTimesOut() {
        const FileDescriptor self = openPidFd(::getpid());
        CPPUNIT_ASSERT(!waitPidFd(self, std::chrono::milliseconds(0)));
        CPPUNIT_ASSERT(signalPidFd(self, 0));
    }

    void testASignalToAReapedProcessIsNotSent() {
        ChildProcess::Command command;
        command.program = "true";
        ChildProcess child(command);
        const FileDescriptor pidFd = child.pidFd().duplicate();
        CPPUNIT_ASSERT(child.wait(std::chrono::seconds(60)) == 0);
        CPPUNIT_ASSERT(waitPidFd(pidFd, std::chrono::milliseconds(0)));
        CPPUNIT_ASSERT(!signalPidFd(pidFd, SIGKILL));
    }

    void testAWrongSignalIsAnError() {
        const FileDescriptor self = openPidFd(::getpid());
        CPPUNIT_ASSERT_EQUAL(EINVAL, errorOf([&] { signalPidFd(self, 1000); }));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PidFdTest);

}  // namespace Passenger
