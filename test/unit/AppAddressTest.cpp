#include "bridge/AppAddress.h"

#include <cppunit/extensions/HelperMacros.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

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
    CPPUNIT_TEST(testAnotherUserThatListensForIpv6DoesNotMatter);
    CPPUNIT_TEST_SUITE_END();

    static constexpr uid_t ANOTHER = 54'321;

    static std::optional<uid_t> listenerOf(const FileDescriptor &socket) {
        return AppAddress::tcp("127.0.0.1", portOf(socket)).listener();
    }
    /** Calls the function as another user. Changes only this thread. A socket belongs to the user
     *  that makes it. */
    template <typename Make> static FileDescriptor asAnother(const Make &make) {
        ::setfsuid(ANOTHER);
        FileDescriptor socket = make();
        ::setfsuid(0);
        return socket;
    }
    /** Listens at all addresses, for IPv6 only. */
    static FileDescriptor listenForIpv6(std::uint16_t port) {
        FileDescriptor socket(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const int on = 1;
        sockaddr_in6 name{};
        name.sin6_family = AF_INET6;
        name.sin6_port = htons(port);
        ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
        const bool listens = ::bind(socket.get(), reinterpret_cast<sockaddr *>(&name), sizeof(name)) == 0 &&
                             ::listen(socket.get(), 1) == 0;
        return listens ? std::move(socket) : FileDescriptor();
    }
    /** In a network namespace of its own, which other programs cannot reach. Only root can make
     *  one. */
    template <typename Check> static void assertApart(const Check &check) {
        const pid_t child = ::fork();
        if (child == 0) {
            ::_exit(::unshare(CLONE_NEWNET) != 0 || check() ? 0 : 1);
        }
        int status = -1;
        CPPUNIT_ASSERT_EQUAL(child, ::waitpid(child, &status, 0));
        CPPUNIT_ASSERT_EQUAL(0, status);
    }

public:
    void testTheUserThatListensOnAPortIsFound() {
        const FileDescriptor socket = listenOnTcp("127.0.0.1", 0);
        CPPUNIT_ASSERT(listenerOf(socket) == ::geteuid());
    }

    // Only root can act as another user.
    void testAnotherUserThatListensOnAPortIsFound() {
        if (::geteuid() != 0) {
            return;
        }
        const FileDescriptor socket = asAnother([] { return listenOnTcp("127.0.0.1", 0); });
        CPPUNIT_ASSERT(listenerOf(socket) == ANOTHER);
        const auto address = AppAddress::tcp("127.0.0.1", portOf(socket));
        CPPUNIT_ASSERT(address.connect(std::chrono::steady_clock::now() + std::chrono::seconds(60)));
        CPPUNIT_ASSERT(!address.connectToThisUsers(std::chrono::steady_clock::now() + std::chrono::seconds(60)));
        CPPUNIT_ASSERT_EQUAL(ECONNREFUSED, errno);
    }

    void testAClosedPortHasNoListener() {
        FileDescriptor socket = listenOnTcp("127.0.0.1", 0);
        const auto port = portOf(socket);
        socket.reset();
        CPPUNIT_ASSERT(!AppAddress::tcp("127.0.0.1", port).listener());
    }

    void testAListenerAtAnotherAddressIsNotFound() {
        const FileDescriptor socket = listenOnTcp("127.0.0.2", 0);
        CPPUNIT_ASSERT(!listenerOf(socket));
        CPPUNIT_ASSERT(AppAddress::tcp("127.0.0.2", portOf(socket)).listener());
        CPPUNIT_ASSERT(!AppAddress::unixSocket("/nonexistent").listener());
    }

    void testAListenerAtAllAddressesIsFound() {
        assertApart([] {
            const FileDescriptor v4 = listenOnTcp("0.0.0.0", 0);
            const FileDescriptor v6 = listenOnTcp("::", 0);
            return listenerOf(v4) && listenerOf(v6) && !AppAddress::tcp("::1", portOf(v4)).listener() &&
                   AppAddress::tcp("::1", portOf(v6)).listener();
        });
    }

    // The kernel gives it no connection over IPv4.
    void testAnotherUserThatListensForIpv6DoesNotMatter() {
        assertApart([] {
            const FileDescriptor socket = listenOnTcp("0.0.0.0", 0);
            const FileDescriptor another = asAnother([&] { return listenForIpv6(portOf(socket)); });
            return another && listenerOf(socket) == ::geteuid();
        });
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(AppAddressTest);

}  // namespace Passenger
