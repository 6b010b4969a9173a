#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <span>
#include <utility>

#include <cppunit/TestAssert.h>

#include "io/SocketPair.h"

namespace Passenger {

/** A TCP connection whose last close waits for so many seconds: its peer reads nothing. */
struct LingeringConnection {
    static constexpr int LINGER = 3;
    FileDescriptor peer;
    FileDescriptor end;

    explicit LingeringConnection(int seconds = LINGER) {
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
        const linger wait{1, seconds};
        CPPUNIT_ASSERT_EQUAL(0, ::setsockopt(end.get(), SOL_SOCKET, SO_LINGER, &wait, sizeof wait));
        const std::array<char, 65536> bytes{};
        while (::send(end.get(), bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) {
        }
    }

    /** A socket with this connection in its buffer: its close is the connection's, and waits. */
    FileDescriptor intoSocket() {
        DescriptorPair pair = makeSeqPacketPair();
        const int sent = end.get();
        sendWithDescriptors(pair.first, "x", std::span(&sent, 1));
        end.reset();
        return std::move(pair.second);
    }
};

}  // namespace Passenger
