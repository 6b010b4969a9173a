#include "base/DescriptorCloser.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cppunit/extensions/HelperMacros.h>

#include <array>
#include <chrono>
#include <optional>

#include "io/SocketPair.h"
#include "support/Eventually.h"
#include "support/LeakCheck.h"

namespace Passenger {

class DescriptorCloserTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(DescriptorCloserTest);
    CPPUNIT_TEST(testADescriptorIsClosedSoon);
    CPPUNIT_TEST(testALingeringConnectionInTheBufferOfASocketDelaysNobody);
    CPPUNIT_TEST(testAForeignDescriptorIsClosedByTheCloserInUse);
    CPPUNIT_TEST(testTheThreadsEndWithTheCloser);
    CPPUNIT_TEST_SUITE_END();

    /** A TCP connection whose last close waits for LINGER: its peer reads nothing. */
    struct LingeringConnection {
        static constexpr int LINGER = 3;
        FileDescriptor peer;
        FileDescriptor end;

        LingeringConnection() {
            const FileDescriptor server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
            sockaddr_in address{};
            address.sin_family = AF_INET;
            address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            socklen_t size = sizeof address;
            CPPUNIT_ASSERT_EQUAL(0, ::bind(server.get(), reinterpret_cast<sockaddr *>(&address), size));
            CPPUNIT_ASSERT_EQUAL(0, ::listen(server.get(), 1));
            CPPUNIT_ASSERT_EQUAL(0, ::getsockname(server.get(), reinterpret_cast<sockaddr *>(&address), &size));
            end.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
            CPPUNIT_ASSERT_EQUAL(0, ::connect(end.get(), reinterpret_cast<sockaddr *>(&address), size));
            peer.reset(::accept4(server.get(), nullptr, nullptr, SOCK_CLOEXEC));
            const linger wait{1, LINGER};
            CPPUNIT_ASSERT_EQUAL(0, ::setsockopt(end.get(), SOL_SOCKET, SO_LINGER, &wait, sizeof wait));
            const std::array<char, 65536> bytes{};
            while (::send(end.get(), bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) {
            }
        }
    };

    static bool isOpen(int fd) {
        return ::fcntl(fd, F_GETFD) >= 0;
    }
    static std::chrono::steady_clock::duration durationOf(const auto &work) {
        const auto begin = std::chrono::steady_clock::now();
        work();
        return std::chrono::steady_clock::now() - begin;
    }

public:
    void testADescriptorIsClosedSoon() {
        DescriptorCloser closer;
        DescriptorPair pipe = makePipe();
        const int fd = pipe.second.release();
        closer.close(fd);
        CPPUNIT_ASSERT(eventually([fd] { return !isOpen(fd); }));
    }

    void testALingeringConnectionInTheBufferOfASocketDelaysNobody() {
        std::optional<LingeringConnection> connection(std::in_place);
        DescriptorPair pair = makeSeqPacketPair();
        const int sent = connection->end.get();
        sendWithDescriptors(pair.first, "x", std::span(&sent, 1));
        connection->end.reset();
        DescriptorCloser closer;
        // The connection's last reference is in the buffer: this close is the connection's.
        const int fd = pair.second.release();
        const auto closing = durationOf([&] { closer.close(fd); });
        DescriptorPair pipe = makePipe();
        const int other = pipe.second.release();
        closer.close(other);
        CPPUNIT_ASSERT(eventually([other] { return !isOpen(other); }));
        CPPUNIT_ASSERT_MESSAGE("Another thread closes the other one meanwhile",
                               closing < std::chrono::seconds(LingeringConnection::LINGER));
        connection.reset();
        CPPUNIT_ASSERT(eventually([fd] { return !isOpen(fd); }));
    }

    void testAForeignDescriptorIsClosedByTheCloserInUse() {
        DescriptorCloser closer;
        DescriptorCloser::use(&closer);
        DescriptorPair pipe = makePipe();
        const int own = pipe.first.get();
        pipe.first.reset();
        CPPUNIT_ASSERT(!isOpen(own));
        CPPUNIT_ASSERT_EQUAL(std::size_t{0}, closer.threads());
        const int fd = pipe.second.release();
        FileDescriptor::foreign(fd).duplicate().reset();
        DescriptorCloser::use(nullptr);
        CPPUNIT_ASSERT(eventually([fd] { return !isOpen(fd); }));
        CPPUNIT_ASSERT(closer.threads() >= 1);
    }

    void testTheThreadsEndWithTheCloser() {
        std::optional<DescriptorCloser> closer(std::in_place);
        DescriptorPair pipe = makePipe();
        const int fd = pipe.second.release();
        closer->close(fd);
        closer.reset();
        // What it had was closed before.
        CPPUNIT_ASSERT(eventually([fd] { return !isOpen(fd); }));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(DescriptorCloserTest);

}  // namespace Passenger
