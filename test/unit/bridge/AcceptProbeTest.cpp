#include "bridge/AcceptProbe.h"

#include <cppunit/extensions/HelperMacros.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/Exceptions.h"
#include "base/Poll.h"
#include "bridge/AppAddress.h"
#include "confinement/SystemCallFilter.h"
#include "prefork/Listening.h"
#include "support/Eventually.h"
#include "support/LeakCheck.h"
#include "support/Sanitizer.h"
#include "support/SocketFilter.h"

namespace Passenger {

using namespace std::chrono_literals;
using Bridge::AcceptProbe;
using Bridge::AppAddress;

class AcceptProbeTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(AcceptProbeTest);
    CPPUNIT_TEST(testAConnectionOverIpv4IsAcceptedWhenAProcessAcceptsIt);
    CPPUNIT_TEST(testAConnectionOverIpv6IsAcceptedWhenAProcessAcceptsIt);
    CPPUNIT_TEST(testAConnectionOverIpv4ToASocketOfIpv6IsAcceptedWhenAProcessAcceptsIt);
    CPPUNIT_TEST(testAConnectionToASocketOfMultipathTcpIsAcceptedWhenAProcessAcceptsIt);
    CPPUNIT_TEST(testAConnectionToAUnixSocketIsAcceptedWhenAProcessAcceptsIt);
    CPPUNIT_TEST(testOneOfSeveralSocketsOnThePortIsEnough);
    CPPUNIT_TEST(testAConnectionThatTheServerHasAcceptedAndClosedIsAccepted);
    CPPUNIT_TEST(testTheEndOfWhatListensBreaksTheConnection);
    CPPUNIT_TEST(testAServerThatWaitsForAByteOfEachConnectionGetsAnEmptyLine);
    CPPUNIT_TEST(testTheEndOfAServerThatHasNotSeenTheConnectionBreaksIt);
    CPPUNIT_TEST(testWithoutTheKernelsAnswerAConnectionCountsAsAccepted);
    CPPUNIT_TEST_SUITE_END();

    static constexpr std::size_t OTHERS = 20;

    std::string folder_;

    static AppAddress::Deadline soon() { return std::chrono::steady_clock::now() + 60s; }
    static FileDescriptor connectTo(const AppAddress &address) {
        FileDescriptor connection = address.connect(soon());
        CPPUNIT_ASSERT(connection);
        return connection;
    }
    static FileDescriptor acceptAt(const FileDescriptor &socket) {
        CPPUNIT_ASSERT(pollUntil(socket.get(), POLLIN, soon()));
        FileDescriptor accepted(::accept4(socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
        CPPUNIT_ASSERT(accepted);
        return accepted;
    }

    /** Others wait before it and behind it. */
    static void assertAcceptedInTurn(const FileDescriptor &socket, const AppAddress &address) {
        std::vector<FileDescriptor> others;
        const auto connectOthers = [&] {
            for (std::size_t i = 0; i < OTHERS; i++) {
                others.push_back(connectTo(address));
            }
        };
        connectOthers();
        AcceptProbe probe(connectTo(address));
        connectOthers();
        std::vector<FileDescriptor> accepted;
        for (std::size_t i = 0; i < OTHERS; i++) {
            CPPUNIT_ASSERT(!probe.accepted());
            CPPUNIT_ASSERT(probe);
            accepted.push_back(acceptAt(socket));
        }
        CPPUNIT_ASSERT(!probe.accepted());
        accepted.push_back(acceptAt(socket));
        CPPUNIT_ASSERT(probe.accepted());
        CPPUNIT_ASSERT(probe);
    }

    /** The server's socket; none: the machine has no IPv6. */
    static FileDescriptor listenForIpv6() {
        try {
            return listenOnTcp("::1", 0);
        } catch (const SystemException &error) {
            CPPUNIT_ASSERT(error.error() == EADDRNOTAVAIL || error.error() == EAFNOSUPPORT);
            return FileDescriptor();
        }
    }
    /** A socket of IPv6 that takes connections of IPv4; none: the machine has no IPv6. */
    static FileDescriptor listenForBoth() {
        FileDescriptor socket(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        const int off = 0;
        sockaddr_in6 name{};
        name.sin6_family = AF_INET6;
        name.sin6_addr.s6_addr32[2] = htonl(0xFFFF);
        name.sin6_addr.s6_addr32[3] = htonl(INADDR_LOOPBACK);
        if (socket) {
            CPPUNIT_ASSERT_EQUAL(0, ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)));
            CPPUNIT_ASSERT_EQUAL(0, ::bind(socket.get(), reinterpret_cast<sockaddr *>(&name), sizeof(name)));
            CPPUNIT_ASSERT_EQUAL(0, ::listen(socket.get(), 128));
        }
        return socket;
    }
    /** A socket that shares its port with others; none: the kernel does not have the protocol.
     *  @param port 0: any */
    static FileDescriptor listenBeside(std::uint16_t port, int protocol = IPPROTO_TCP) {
        FileDescriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
        if (!socket && protocol != IPPROTO_TCP) {
            return socket;
        }
        const int on = 1;
        sockaddr_in name{};
        name.sin_family = AF_INET;
        name.sin_port = htons(port);
        name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        CPPUNIT_ASSERT_EQUAL(0, ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)));
        CPPUNIT_ASSERT_EQUAL(0, ::bind(socket.get(), reinterpret_cast<sockaddr *>(&name), sizeof(name)));
        CPPUNIT_ASSERT_EQUAL(0, ::listen(socket.get(), 128));
        return socket;
    }
    /** The kernel shows it a connection once a byte has come, or after a minute. */
    static FileDescriptor listenForBytes() {
        FileDescriptor socket = listenOnTcp("127.0.0.1", 0);
        const int seconds = 60;
        CPPUNIT_ASSERT_EQUAL(0, ::setsockopt(socket.get(), IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds)));
        return socket;
    }
    static AppAddress addressOf(const FileDescriptor &socket) { return AppAddress::tcp("127.0.0.1", portOf(socket)); }

public:
    void setUp() override {
        LeakCheck::setUp();
        char name[] = "/tmp/passenger.probe.XXXXXX";
        folder_ = ::mkdtemp(name);
    }
    void tearDown() override {
        std::filesystem::remove_all(folder_);
        LeakCheck::tearDown();
    }

    void testAConnectionOverIpv4IsAcceptedWhenAProcessAcceptsIt() {
        const FileDescriptor socket = listenOnTcp("127.0.0.1", 0);
        assertAcceptedInTurn(socket, addressOf(socket));
    }

    void testAConnectionOverIpv6IsAcceptedWhenAProcessAcceptsIt() {
        if (const FileDescriptor socket = listenForIpv6()) {
            assertAcceptedInTurn(socket, AppAddress::tcp("::1", portOf(socket)));
        }
    }

    void testAConnectionOverIpv4ToASocketOfIpv6IsAcceptedWhenAProcessAcceptsIt() {
        if (const FileDescriptor socket = listenForBoth()) {
            assertAcceptedInTurn(socket, addressOf(socket));
        }
    }

    // As servers in Go have it.
    void testAConnectionToASocketOfMultipathTcpIsAcceptedWhenAProcessAcceptsIt() {
        if (const FileDescriptor socket = listenBeside(0, IPPROTO_MPTCP)) {
            assertAcceptedInTurn(socket, addressOf(socket));
        }
    }

    void testAConnectionToAUnixSocketIsAcceptedWhenAProcessAcceptsIt() {
        const FileDescriptor socket = listenOnUnix(folder_ + "/socket");
        assertAcceptedInTurn(socket, AppAddress::unixSocket(folder_ + "/socket"));
    }

    // The kernel chooses the socket of a connection.
    void testOneOfSeveralSocketsOnThePortIsEnough() {
        const FileDescriptor one = listenBeside(0);
        const FileDescriptor other = listenBeside(portOf(one));
        AcceptProbe probe(connectTo(addressOf(one)));
        CPPUNIT_ASSERT(!probe.accepted());
        FileDescriptor accepted;
        CPPUNIT_ASSERT(eventually([&] {
            accepted.reset(::accept4(one.get(), nullptr, nullptr, SOCK_CLOEXEC));
            if (!accepted) {
                accepted.reset(::accept4(other.get(), nullptr, nullptr, SOCK_CLOEXEC));
            }
            return static_cast<bool>(accepted);
        }));
        CPPUNIT_ASSERT(probe.accepted());
    }

    void testAConnectionThatTheServerHasAcceptedAndClosedIsAccepted() {
        const FileDescriptor tcp = listenOnTcp("127.0.0.1", 0);
        const FileDescriptor local = listenOnUnix(folder_ + "/socket");
        for (const auto &[socket, address] :
             {std::pair(&tcp, addressOf(tcp)), std::pair(&local, AppAddress::unixSocket(folder_ + "/socket"))}) {
            AcceptProbe probe(connectTo(address));
            CPPUNIT_ASSERT(!probe.accepted());
            acceptAt(*socket);
            CPPUNIT_ASSERT(eventually([&] { return probe.accepted(); }));
            CPPUNIT_ASSERT(probe);
        }
    }

    void testTheEndOfWhatListensBreaksTheConnection() {
        FileDescriptor tcp = listenOnTcp("127.0.0.1", 0);
        FileDescriptor local = listenOnUnix(folder_ + "/socket");
        for (const auto &[socket, address] :
             {std::pair(&tcp, addressOf(tcp)), std::pair(&local, AppAddress::unixSocket(folder_ + "/socket"))}) {
            AcceptProbe probe(connectTo(address));
            CPPUNIT_ASSERT(!probe.accepted());
            socket->reset();
            CPPUNIT_ASSERT(eventually([&] {
                CPPUNIT_ASSERT(!probe.accepted());
                return !probe;
            }));
        }
    }

    void testAServerThatWaitsForAByteOfEachConnectionGetsAnEmptyLine() {
        const FileDescriptor socket = listenForBytes();
        AcceptProbe probe(connectTo(addressOf(socket)));
        CPPUNIT_ASSERT(!probe.accepted());
        CPPUNIT_ASSERT(!pollUntil(socket.get(), POLLIN, AppAddress::Deadline::min()));
        CPPUNIT_ASSERT(eventually([&] {
            CPPUNIT_ASSERT(!probe.accepted());
            return pollUntil(socket.get(), POLLIN, AppAddress::Deadline::min());
        }));
        const FileDescriptor accepted = acceptAt(socket);
        CPPUNIT_ASSERT(probe.accepted());
        char text[8];
        CPPUNIT_ASSERT_EQUAL(
            std::string("\r\n"),
            std::string(text, static_cast<std::size_t>(::recv(accepted.get(), text, sizeof(text), 0))));
    }

    void testTheEndOfAServerThatHasNotSeenTheConnectionBreaksIt() {
        FileDescriptor socket = listenForBytes();
        AcceptProbe probe(connectTo(addressOf(socket)));
        CPPUNIT_ASSERT(!probe.accepted());
        socket.reset();
        CPPUNIT_ASSERT(eventually([&] {
            CPPUNIT_ASSERT(!probe.accepted());
            return !probe;
        }));
    }

    void testWithoutTheKernelsAnswerAConnectionCountsAsAccepted() {
        if (SANITIZED || !SOCKETS_ARE_FILTERED) {
            return;
        }
        const FileDescriptor tcp = listenOnTcp("127.0.0.1", 0);
        const FileDescriptor local = listenOnUnix(folder_ + "/socket");
        AcceptProbe overTcp(connectTo(addressOf(tcp)));
        AcceptProbe overUnix(connectTo(AppAddress::unixSocket(folder_ + "/socket")));
        const pid_t child = ::fork();
        if (child == 0) {
            const bool limited = SystemCallFilter::apply(SeccompMode::ON, SystemCallFilter::For::SERVING);
            ::_exit(!limited || (overTcp.accepted() && overUnix.accepted()) ? 0 : 1);
        }
        int status = -1;
        CPPUNIT_ASSERT_EQUAL(child, ::waitpid(child, &status, 0));
        CPPUNIT_ASSERT_EQUAL(0, status);
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(AcceptProbeTest);

}  // namespace Passenger
