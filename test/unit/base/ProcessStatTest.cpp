#include "base/ProcessStat.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "support/Eventually.h"

namespace Passenger {

class ProcessStatTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ProcessStatTest);
    CPPUNIT_TEST(testAProcessHasAParentAStateAndASize);
    CPPUNIT_TEST(testANameMayHaveParenthesesAndBlanks);
    CPPUNIT_TEST(testAProcessThatHasEndedHasAStateUntilItIsWaitedFor);
    CPPUNIT_TEST_SUITE_END();

public:
    void testAProcessHasAParentAStateAndASize() {
        const auto stat = ProcessStat::of(::getpid());
        CPPUNIT_ASSERT(stat);
        CPPUNIT_ASSERT_EQUAL(::getppid(), stat->parent);
        CPPUNIT_ASSERT_EQUAL('R', stat->state);
        CPPUNIT_ASSERT(stat->virtualSize > 1024 * 1024);
        CPPUNIT_ASSERT(stat->startTime > 0);
    }

    void testANameMayHaveParenthesesAndBlanks() {
        const pid_t child = ::fork();
        if (child == 0) {
            ::prctl(PR_SET_NAME, ") Z (1 2");
            for (;;) {
                ::pause();
            }
        }
        const bool named = eventually([child] { return ProcessStat::of(child)->name == ") Z (1 2"; });
        const auto stat = ProcessStat::of(child);
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
        CPPUNIT_ASSERT(named);
        CPPUNIT_ASSERT_EQUAL(::getpid(), stat->parent);
        CPPUNIT_ASSERT(stat->state != 'Z');
    }

    void testAProcessThatHasEndedHasAStateUntilItIsWaitedFor() {
        const pid_t child = ::fork();
        if (child == 0) {
            ::_exit(0);
        }
        siginfo_t info{};
        ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT);
        const auto stat = ProcessStat::of(child);
        ::waitpid(child, nullptr, 0);
        CPPUNIT_ASSERT_EQUAL('Z', stat->state);
        CPPUNIT_ASSERT(!ProcessStat::of(child));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ProcessStatTest);

}  // namespace Passenger
