#include "confinement/Confinement.h"

#include <cppunit/extensions/HelperMacros.h>

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <exception>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <thread>

#include "base/ThreadCapabilities.h"
#include "support/Sanitizer.h"
#include "support/SocketFilter.h"

namespace Passenger {

/** Each test confines a child of its own. */
class ConfinementTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ConfinementTest);
    CPPUNIT_TEST(testAProcessComputesMakesThreadsAndUnixSocketsAsBefore);
    CPPUNIT_TEST(testNoOtherProgramIsExecuted);
    CPPUNIT_TEST(testNoProcessIsMade);
    CPPUNIT_TEST(testOtherSocketsAreRefused);
    CPPUNIT_TEST(testTcpIsAllowedIfItIsAskedFor);
    CPPUNIT_TEST(testNoFileIsChanged);
    CPPUNIT_TEST(testNoOtherProcessGetsASignal);
    CPPUNIT_TEST(testLogModeAllowsEverything);
    CPPUNIT_TEST(testAThreadHasThePoliciesOfAServer);
    CPPUNIT_TEST(testTheOtherCapabilitiesAreGone);
    CPPUNIT_TEST_SUITE_END();

public:
    void testAProcessComputesMakesThreadsAndUnixSocketsAsBefore() {
        assertExit(0, {}, [] {
            int sockets[2];
            int done = 0;
            std::thread([&done] { done = 1; }).join();
            return ::socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0 && done == 1 &&
                   ::open("/etc/passwd", O_RDONLY) > 0;
        });
    }

    void testNoOtherProgramIsExecuted() {
        if (sanitized()) {
            return;
        }
        const int status = statusOf({}, [] {
            char *const arguments[] = {const_cast<char *>("true"), nullptr};
            ::execv("/bin/true", arguments);
            return true;
        });
        CPPUNIT_ASSERT(WIFSIGNALED(status));
        CPPUNIT_ASSERT_EQUAL(SIGSYS, WTERMSIG(status));
    }

    void testNoProcessIsMade() {
        assertExit(sanitized() ? 1 : 0, {}, [] {
            const pid_t child = ::fork();
            if (child == 0) {
                ::_exit(0);
            }
            return child < 0;
        });
    }

    void testOtherSocketsAreRefused() {
        assertExit(seesSockets() ? 0 : 1, {}, [] {
            return ::socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == EAFNOSUPPORT &&
                   ::socket(AF_NETLINK, SOCK_RAW, 0) < 0;
        });
    }

    void testTcpIsAllowedIfItIsAskedFor() {
        Confinement limits;
        limits.tcp = true;
        assertExit(0, limits, [] {
            return ::socket(AF_INET, SOCK_STREAM, 0) >= 0 && ::socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG) >= 0;
        });
        assertExit(seesSockets() ? 0 : 1, limits, [] { return ::socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) < 0; });
    }

    /** Landlock may be missing: then the user of the process limits it. */
    void testNoFileIsChanged() {
        const int status = statusOf({}, [] { return ::open("/dev/null", O_WRONLY) >= 0; });
        CPPUNIT_ASSERT_EQUAL(0, status);
        Confinement limits;
        const std::string path = "/tmp/passenger-unit-ConfinementTest." + std::to_string(::getpid());
        const int made = statusOf(limits, [&path] {
            const bool refused = ::open(path.c_str(), O_WRONLY | O_CREAT, 0600) < 0 && errno == EACCES;
            ::unlink(path.c_str());
            return refused;
        });
        ::unlink(path.c_str());
        CPPUNIT_ASSERT(made == 0 || sanitized() || withoutLandlock());
    }

    void testNoOtherProcessGetsASignal() {
        assertExit(sanitized() ? 1 : 0, {}, [] { return ::kill(::getppid(), 0) != 0; });
    }

    void testAThreadHasThePoliciesOfAServer() {
        const auto set = [](int policy) {
            const sched_param none{};
            return ::sched_setscheduler(0, policy, &none) == 0;
        };
        assertExit(sanitized() ? 1 : 0, {}, [set] { return set(SCHED_BATCH) && set(SCHED_OTHER) && !set(SCHED_IDLE); });
    }

    void testTheOtherCapabilitiesAreGone() {
        if (::geteuid() != 0) {
            return;
        }
        const pid_t child = ::fork();
        if (child == 0) {
            ThreadCapabilities().keepOnly({CAP_KILL, CAP_SETPCAP});
            ThreadCapabilities().keepOnly({CAP_KILL, CAP_CHOWN});
            std::ifstream file("/proc/self/status");
            const std::string status((std::istreambuf_iterator<char>(file)), {});
            const bool kept = status.find(
                                  "CapInh:\t0000000000000000\nCapPrm:\t0000000000000020\nCapEff:"
                                  "\t0000000000000020\n") != std::string::npos;
            ::_exit(kept ? 0 : 1);
        }
        int status = 0;
        CPPUNIT_ASSERT_EQUAL(child, ::waitpid(child, &status, 0));
        CPPUNIT_ASSERT_EQUAL(0, status);
    }

    void testLogModeAllowsEverything() {
        Confinement limits;
        limits.seccomp = SeccompMode::LOG;
        assertExit(0, limits, [] { return ::socket(AF_INET, SOCK_STREAM, 0) >= 0 && ::kill(::getppid(), 0) == 0; });
    }

private:
    static bool sanitized() { return SANITIZED; }
    static bool seesSockets() { return SOCKETS_ARE_FILTERED && !SANITIZED; }

    static bool withoutLandlock() {
        constexpr long CREATE_RULESET = 444;
        return ::syscall(CREATE_RULESET, nullptr, 0, 1) <= 0;
    }

    /** The wait status of a confined child: 0 if the block returns true, else exit status 1. */
    static int statusOf(const Confinement &limits, const std::function<bool()> &block) {
        const pid_t child = ::fork();
        if (child == 0) {
            int result = 2;
            try {
                confine(limits);
                result = block() ? 0 : 1;
            } catch (const std::exception &) {
                result = 3;
            }
            ::_exit(result);
        }
        int status = 0;
        CPPUNIT_ASSERT_EQUAL(child, ::waitpid(child, &status, 0));
        return status;
    }

    static void assertExit(int expected, const Confinement &limits, const std::function<bool()> &block) {
        const int status = statusOf(limits, block);
        CPPUNIT_ASSERT(WIFEXITED(status));
        CPPUNIT_ASSERT_EQUAL(expected, WEXITSTATUS(status));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(ConfinementTest);

}  // namespace Passenger
