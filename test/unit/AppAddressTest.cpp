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
    CPPUNIT_TEST(testWhoListensOnAPortIsToldByUser);
    CPPUNIT_TEST(testOfAnotherUsersPortThatUserIsTold);
    CPPUNIT_TEST(testOfAPortThatWasClosedNobodyIsTold);
    CPPUNIT_TEST(testWhoListensAtAnotherAddressIsNotTold);
    CPPUNIT_TEST(testWhoListensAtAllAddressesIsTold);
    CPPUNIT_TEST_SUITE_END();

    static std::vector<uid_t> listenersOf(const FileDescriptor &socket) {
        return AppAddress::tcp("127.0.0.1", portOf(socket)).listeners();
    }

public:
    void testWhoListensOnAPortIsToldByUser() {
        const FileDescriptor socket = listenOnTcp("127.0.0.1", 0);
        CPPUNIT_ASSERT(listenersOf(socket) == std::vector<uid_t>{::geteuid()});
    }

    // Who is not root can be nobody else.
    void testOfAnotherUsersPortThatUserIsTold() {
        if (::geteuid() != 0) {
            return;
        }
        constexpr uid_t ANOTHER = 54'321;
        // Of this thread alone; a socket is whose its maker is.
        ::setfsuid(ANOTHER);
        const FileDescriptor socket = listenOnTcp("127.0.0.1", 0);
        ::setfsuid(0);
        CPPUNIT_ASSERT(listenersOf(socket) == std::vector<uid_t>{ANOTHER});
    }

    void testOfAPortThatWasClosedNobodyIsTold() {
        FileDescriptor socket = listenOnTcp("127.0.0.1", 0);
        const auto port = portOf(socket);
        socket.reset();
        CPPUNIT_ASSERT(AppAddress::tcp("127.0.0.1", port).listeners().empty());
    }

    void testWhoListensAtAnotherAddressIsNotTold() {
        const FileDescriptor socket = listenOnTcp("127.0.0.2", 0);
        CPPUNIT_ASSERT(listenersOf(socket).empty());
        CPPUNIT_ASSERT(!AppAddress::tcp("127.0.0.2", portOf(socket)).listeners().empty());
        CPPUNIT_ASSERT(AppAddress::unixSocket("/nonexistent").listeners().empty());
    }

    // In a network of its own, which nobody reaches. Who is not root may make none.
    void testWhoListensAtAllAddressesIsTold() {
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
