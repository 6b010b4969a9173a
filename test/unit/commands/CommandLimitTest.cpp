#include "commands/CommandLimit.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>

#include "commands/CommandFailure.h"
#include "support/Expect.h"

namespace Passenger {

using namespace std::chrono_literals;

class CommandLimitTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(CommandLimitTest);
    CPPUNIT_TEST(testTheStatusIsThatOfTheWork);
    CPPUNIT_TEST(testASignalOfTheWorkIsAStatusAsOfAShell);
    CPPUNIT_TEST(testWorkThatTakesTooLongFails);
    CPPUNIT_TEST_SUITE_END();

    /** @param work does not return */
    template <typename Work> static int limited(std::chrono::milliseconds limit, Work work) {
        const std::optional<int> status = limitCommand(limit);
        if (!status) {
            work();
        }
        return *status;
    }

public:
    void testTheStatusIsThatOfTheWork() {
        CPPUNIT_ASSERT_EQUAL(7, limited(60s, [] { ::_exit(7); }));
    }

    void testASignalOfTheWorkIsAStatusAsOfAShell() {
        CPPUNIT_ASSERT_EQUAL(128 + SIGPIPE, limited(60s, [] { ::raise(SIGPIPE); }));
    }

    void testWorkThatTakesTooLongFails() {
        const auto failure = thrownBy<CommandFailureException>([] {
            limited(50ms, [] {
                ::sleep(600);
                ::_exit(0);
            });
        });
        CPPUNIT_ASSERT_EQUAL(ExitStatus::FAILED, failure.status());
        // The caller does not wait for it: the kernel may hold it.
        CPPUNIT_ASSERT(::waitpid(-1, nullptr, 0) > 0);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(CommandLimitTest);

}  // namespace Passenger
