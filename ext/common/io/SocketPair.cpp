#include "io/SocketPair.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <new>
#include <string>

#include "base/Exceptions.h"

// From asm-generic/socket.h of Linux 6.16; Debian 12's headers are older.
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

namespace Passenger {

namespace {

DescriptorPair makePair(int type) {
    int ends[2];
    throwUnless(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
    return {FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

constexpr std::size_t SENT_SPACE = CMSG_SPACE(MAX_DESCRIPTORS * sizeof(int));
constexpr std::size_t RECEIVED_SPACE = CMSG_SPACE(KERNELS_MAX_DESCRIPTORS * sizeof(int)) + CMSG_SPACE(sizeof(ucred));

void takeCredentials(const cmsghdr &header, Received &received) {
    ucred credentials;
    std::memcpy(&credentials, CMSG_DATA(&header), sizeof credentials);
    received.credentials = {credentials.pid, credentials.uid, credentials.gid};
}

}  // namespace

void takeDescriptors(const cmsghdr &header, std::vector<FileDescriptor> &descriptors, DescriptorSender sender) {
    const std::size_t count = (header.cmsg_len - CMSG_LEN(0)) / sizeof(int);
    const auto number = [&header](std::size_t index) {
        int fd;
        std::memcpy(&fd, CMSG_DATA(&header) + index * sizeof fd, sizeof fd);
        return fd;
    };
    try {
        descriptors.reserve(descriptors.size() + count);
    } catch (const std::bad_alloc &) {
        for (std::size_t i = 0; i < count; ++i) {
            FileDescriptor::foreign(number(i), sender).reset();
        }
        throw;
    }
    for (std::size_t i = 0; i < count; ++i) {
        descriptors.push_back(FileDescriptor::foreign(number(i), sender));
    }
}

DescriptorPair makeStreamPair() {
    return makePair(SOCK_STREAM);
}

DescriptorPair makeSeqPacketPair() {
    return makePair(SOCK_SEQPACKET);
}

std::optional<PeerCredentials> peerOf(const FileDescriptor &socket) noexcept {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
        return std::nullopt;
    }
    return PeerCredentials{peer.pid, peer.uid, peer.gid};
}

std::size_t sendWithDescriptors(const FileDescriptor &socket, std::string_view data, std::span<const int> descriptors,
                                int flags) {
    if (descriptors.size() > MAX_DESCRIPTORS) {
        throw ProtocolException("Too many descriptors for one message: " + std::to_string(descriptors.size()));
    }
    iovec part{const_cast<char *>(data.data()), data.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    alignas(cmsghdr) std::array<char, SENT_SPACE> control{};
    if (!descriptors.empty()) {
        message.msg_control = control.data();
        message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
        cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
        std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
    }
    ssize_t sent;
    do {
        sent = ::sendmsg(socket.get(), &message, flags | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    throwUnless(sent >= 0, "sendmsg");
    return static_cast<std::size_t>(sent);
}

Received receiveWithDescriptors(const FileDescriptor &socket, std::span<char> buffer, int flags) {
    Received received;
    iovec part{buffer.data(), buffer.size()};
    alignas(cmsghdr) std::array<char, RECEIVED_SPACE> control;
    msghdr message;
    ssize_t size;
    do {
        message = {};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        size = ::recvmsg(socket.get(), &message, flags | MSG_CMSG_CLOEXEC);
    } while (size < 0 && errno == EINTR);
    throwUnless(size >= 0, "recvmsg");
    received.size = static_cast<std::size_t>(size);
    const DescriptorSender sender = socket.sender() == DescriptorSender() ? ANY_SENDER : socket.sender();
    for (cmsghdr *header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
            takeDescriptors(*header, received.descriptors, sender);
        } else if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_CREDENTIALS) {
            takeCredentials(*header, received);
        }
    }
    received.truncated =
        (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || received.descriptors.size() > MAX_DESCRIPTORS;
    received.descriptorsLost = (message.msg_flags & MSG_CTRUNC) != 0;
    return received;
}

bool isStream(const FileDescriptor &descriptor) noexcept {
    int domain = 0;
    int type = 0;
    socklen_t length = sizeof domain;
    return ::getsockopt(descriptor.get(), SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 &&
           (domain == AF_UNIX || domain == AF_INET || domain == AF_INET6) &&
           ::getsockopt(descriptor.get(), SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_STREAM;
}

void enablePeerCredentials(const FileDescriptor &socket) {
    const int on = 1;
    throwUnless(::setsockopt(socket.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0, "setsockopt(SO_PASSCRED)");
}

void denyDescriptors(const FileDescriptor &socket) noexcept {
    const int off = 0;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof off);
}

}  // namespace Passenger
