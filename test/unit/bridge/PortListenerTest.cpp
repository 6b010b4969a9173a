#include "bridge/PortListener.h"

#include <arpa/inet.h>
#include <cppunit/extensions/HelperMacros.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "prefork/Listening.h"
#include "support/LeakCheck.h"

namespace Passenger {

class PortListenerTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(PortListenerTest);
    CPPUNIT_TEST(testTheUserThatListensOnAPortIsFound);
    CPPUNIT_TEST(testAnotherUserThatListensOnAPortIsFound);
    CPPUNIT_TEST(testAClosedPortHasNoListener);
    CPPUNIT_TEST(testAListenerAtAnotherAddressIsNotFound);
    CPPUNIT_TEST(testAListenerAtAllAddressesIsFound);
    CPPUNIT_TEST(testAnotherUserThatListensForIpv6DoesNotMatter);
    CPPUNIT_TEST_SUITE_END();

    static constexpr uid_t ANOTHER = 54'321;

    /** Both ways to find it must agree. */
    static std::optional<uid_t> listenerAt(const std::string &host, std::uint16_t port) {
        sockaddr_storage address{};
        auto &v4 = reinterpret_cast<sockaddr_in &>(address);
        auto &v6 = reinterpret_cast<sockaddr_in6 &>(address);
        const bool isV4 = ::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1;
        if (!isV4) {
            CPPUNIT_ASSERT_EQUAL(1, ::inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr));
        }
        address.ss_family = isV4 ? AF_INET : AF_INET6;
        // The same place in both.
        v4.sin_port = htons(port);
        const std::optional<uid_t> user = Bridge::userOfListener(address);
        CPPUNIT_ASSERT(user == Bridge::userOfListenerInTables(address));
        return user;
    }
    static std::optional<uid_t> listenerOf(const FileDescriptor &socket) {
        return listenerAt("127.0.0.1", portOf(socket));
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
            bool succeeds = false;
            try {
                succeeds = ::unshare(CLONE_NEWNET) != 0 || check();
            } catch (const CppUnit::Exception &) {
                // An assertion has failed.
            }
            ::_exit(succeeds ? 0 : 1);
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
    }

    void testAClosedPortHasNoListener() {
        FileDescriptor socket = listenOnTcp("127.0.0.1", 0);
        const auto port = portOf(socket);
        socket.reset();
        CPPUNIT_ASSERT(!listenerAt("127.0.0.1", port));
    }

    void testAListenerAtAnotherAddressIsNotFound() {
        const FileDescriptor socket = listenOnTcp("127.0.0.2", 0);
        CPPUNIT_ASSERT(!listenerOf(socket));
        CPPUNIT_ASSERT(listenerAt("127.0.0.2", portOf(socket)));
    }

    void testAListenerAtAllAddressesIsFound() {
        assertApart([] {
            const FileDescriptor v4 = listenOnTcp("0.0.0.0", 0);
            const FileDescriptor v6 = listenOnTcp("::", 0);
            return listenerOf(v4) && listenerOf(v6) && !listenerAt("::1", portOf(v4)) && listenerAt("::1", portOf(v6));
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

CPPUNIT_TEST_SUITE_REGISTRATION(PortListenerTest);

}  // namespace Passenger
