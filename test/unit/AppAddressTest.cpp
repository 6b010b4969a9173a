#include "bridge/AppAddress.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

#include "prefork/Listening.h"
#include "support/LeakCheck.h"

namespace Passenger {

using Bridge::AppAddress;

class AppAddressTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(AppAddressTest);
    CPPUNIT_TEST(testTheUserThatListensOnAPortIsFound);
    CPPUNIT_TEST(testAnotherUserThatListensOnAPortIsFound);
    CPPUNIT_TEST(testAClosedPortHasNoListener);
    CPPUNIT_TEST(testAListenerAtAnotherAddressIsNotFound);
    CPPUNIT_TEST(testAListenerAtAllAddressesIsFound);
    CPPUNIT_TEST_SUITE_END();

    static std::vector<uid_t> listenersOf(const FileDescriptor &socket) {
        return AppAddress::tcp("127.0.0.1", portOf(socket)).listeners();
    }

public:
    void testTheUserThatListensOnAPortIsFound() {
        const FileDescriptor socket = listenOnTcp("127.0.0.1", 0);
        CPPUNIT_ASSERT(listenersOf(socket) == std::vector<uid_t>{::geteuid()});
    }

    // Only root can act as another user.
    void testAnotherUserThatListensOnAPortIsFound() {
        if (::geteuid() != 0) {
            return;
        }
        constexpr uid_t ANOTHER = 54'321;
        // Changes only this thread. A socket belongs to the user that makes it.
        ::setfsuid(ANOTHER);
        const FileDescriptor socket = listenOnTcp("127.0.0.1", 0);
        ::setfsuid(0);
        CPPUNIT_ASSERT(listenersOf(socket) == std::vector<uid_t>{ANOTHER});
    }

    void testAClosedPortHasNoListener() {
        FileDescriptor socket = listenOnTcp("127.0.0.1", 0);
        const auto port = portOf(socket);
        socket.reset();
        CPPUNIT_ASSERT(AppAddress::tcp("127.0.0.1", port).listeners().empty());
    }

    void testAListenerAtAnotherAddressIsNotFound() {
        const FileDescriptor socket = listenOnTcp("127.0.0.2", 0);
        CPPUNIT_ASSERT(listenersOf(socket).empty());
        CPPUNIT_ASSERT(!AppAddress::tcp("127.0.0.2", portOf(socket)).listeners().empty());
        CPPUNIT_ASSERT(AppAddress::unixSocket("/nonexistent").listeners().empty());
    }

    // Runs in a network namespace of its own, which other programs cannot reach. Only root can make
    // one.
    void testAListenerAtAllAddressesIsFound() {
        const pid_t child = ::fork();
        if (child == 0) {
            if (::unshare(CLONE_NEWNET) != 0) {
                ::_exit(0);
            }
            const FileDescriptor v4 = listenOnTcp("0.0.0.0", 0);
            const FileDescriptor v6 = listenOnTcp("::", 0);
            const bool right = listenersOf(v4).size() == 1 && listenersOf(v6).size() == 1 &&
                               AppAddress::tcp("::1", portOf(v4)).listeners().empty() &&
                               AppAddress::tcp("::1", portOf(v6)).listeners().size() == 1;
            ::_exit(right ? 0 : 1);
        }
        int status = -1;
        CPPUNIT_ASSERT_EQUAL(child, ::waitpid(child, &status, 0));
        CPPUNIT_ASSERT_EQUAL(0, status);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(AppAddressTest);

}  // namespace Passenger
