#include "bridge/AppAddress.h"

#include <cppunit/extensions/HelperMacros.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <vector>

#include "prefork/Listening.h"
#include "support/LeakCheck.h"

namespace Passenger {

using Bridge::AppAddress;

class AppAddressTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(AppAddressTest);
    CPPUNIT_TEST(testAProcessOfThisUserGetsAConnection);
    CPPUNIT_TEST(testAProcessOfAnotherUserGetsNone);
    CPPUNIT_TEST(testAnotherUserWhoHasGivenThePortBackGetsNone);
    CPPUNIT_TEST(testAClosedPortRefuses);
    CPPUNIT_TEST(testAnUnusedPortIsUnusedAtAllAddresses);
    CPPUNIT_TEST_SUITE_END();

    static AppAddress::Deadline inAMinute() { return std::chrono::steady_clock::now() + std::chrono::minutes(1); }

public:
    void testAProcessOfThisUserGetsAConnection() {
        const FileDescriptor socket = listenOnTcp("127.0.0.1", 0);
        const auto address = AppAddress::tcp("127.0.0.1", portOf(socket));
        CPPUNIT_ASSERT(address.listener() == ::geteuid());
        const FileDescriptor connection = address.connect(inAMinute());
        CPPUNIT_ASSERT(connection);
        CPPUNIT_ASSERT_EQUAL(0, address.refusalOf(connection));
    }

    // As connections to elsewhere, which have ports at another address of this machine.
    void testAnUnusedPortIsUnusedAtAllAddresses() {
        std::vector<FileDescriptor> others;
        while (others.size() < 800) {
            others.push_back(listenOnTcp("127.0.0.2", 0));
        }
        int taken = 0;
        for (int i = 0; i < 400; i++) {
            taken += AppAddress::tcp("127.0.0.1", AppAddress::unusedPort("127.0.0.1")).isTaken() ? 1 : 0;
        }
        // Another program may take one in between.
        CPPUNIT_ASSERT(taken <= 3);
    }

    // Only root can act as another user. A socket belongs to the user that makes it.
    void testAProcessOfAnotherUserGetsNone() {
        if (::geteuid() != 0) {
            return;
        }
        ::setfsuid(54'321);
        const FileDescriptor socket = listenOnTcp("127.0.0.1", 0);
        ::setfsuid(0);
        const auto address = AppAddress::tcp("127.0.0.1", portOf(socket));
        const FileDescriptor connection = address.connect(inAMinute());
        CPPUNIT_ASSERT(connection);
        CPPUNIT_ASSERT_EQUAL(EADDRINUSE, address.refusalOf(connection));
        CPPUNIT_ASSERT(AppAddress::isRefusal(EADDRINUSE));
    }

    // The other user's process takes the port while the application restarts, and closes it again
    // when it has accepted the bridge's connection.
    void testAnotherUserWhoHasGivenThePortBackGetsNone() {
        if (::geteuid() != 0) {
            return;
        }
        ::setfsuid(54'321);
        FileDescriptor theirs = listenOnTcp("127.0.0.1", 0);
        const std::uint16_t port = portOf(theirs);
        const auto address = AppAddress::tcp("127.0.0.1", port);
        const FileDescriptor connection = address.connect(inAMinute());
        const FileDescriptor accepted(::accept4(theirs.get(), nullptr, nullptr, SOCK_CLOEXEC));
        ::setfsuid(0);
        CPPUNIT_ASSERT(connection && accepted);
        theirs.reset();
        const FileDescriptor ours = listenOnTcp("127.0.0.1", port);
        CPPUNIT_ASSERT(address.listener() == ::geteuid());
        CPPUNIT_ASSERT_EQUAL(EADDRINUSE, address.refusalOf(connection));

        const FileDescriptor next = address.connect(inAMinute());
        CPPUNIT_ASSERT_EQUAL(0, address.refusalOf(next));
        const FileDescriptor acceptedByUs(::accept4(ours.get(), nullptr, nullptr, SOCK_CLOEXEC));
        CPPUNIT_ASSERT_EQUAL(0, address.refusalOf(next));
    }

    void testAClosedPortRefuses() {
        FileDescriptor socket = listenOnTcp("127.0.0.1", 0);
        const auto address = AppAddress::tcp("127.0.0.1", portOf(socket));
        socket.reset();
        CPPUNIT_ASSERT(!address.listener());
        CPPUNIT_ASSERT(!address.connect(inAMinute()));
        CPPUNIT_ASSERT_EQUAL(ECONNREFUSED, errno);
        CPPUNIT_ASSERT(!AppAddress::unixSocket("/nonexistent").listener());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(AppAddressTest);

}  // namespace Passenger
