#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <sys/socket.h>
#include <sys/types.h>

#include "base/FileDescriptor.h"

namespace Passenger {

/** Connected pairs of Unix sockets, close-on-exec. @throws SystemException */
DescriptorPair makeStreamPair();
DescriptorPair makeSeqPacketPair();

/** The limit of descriptors in one message of ours. */
inline constexpr std::size_t MAX_DESCRIPTORS = 16;
/**
 * The limit of the kernel (SCM_MAX_FD, unix(7)). A buffer for received messages has room for them
 * all. The kernel closes a descriptor without room in the receiving thread, and that thread waits
 * for the close.
 */
inline constexpr std::size_t KERNELS_MAX_DESCRIPTORS = 253;

/**
 * The time between two attempts to send a descriptor after ETOOMANYREFS. The kernel returns
 * ETOOMANYREFS if the user has more descriptors in flight than one of its processes may have open.
 * It gives no notice when the number falls.
 */
inline constexpr std::chrono::milliseconds UNDER_WAY_PAUSE{5};

/** The sender of a message, as recorded by the kernel. */
struct PeerCredentials {
    pid_t pid = 0;
    uid_t uid = 0;
    gid_t gid = 0;

    friend bool operator==(const PeerCredentials &, const PeerCredentials &) = default;
};

/** The process at the other end when the two were connected (SO_PEERCRED): of a pair, the one that
 *  made it. Nothing: it is no Unix socket. */
std::optional<PeerCredentials> peerOf(const FileDescriptor &socket) noexcept;

/** The result of one recvmsg(). */
struct Received {
    /** In bytes. 0: an end of file, or an empty message. */
    std::size_t size = 0;
    /** Foreign ones, see FileDescriptor. */
    std::vector<FileDescriptor> descriptors;
    /** Set if the receiver has SO_PASSCRED. */
    PeerCredentials credentials;
    /** The message was longer than the buffer (SOCK_SEQPACKET), or its descriptors did not fit. */
    bool truncated = false;
    /** Also truncated: descriptors of the message were lost, because this process may open no
     *  more. */
    bool descriptorsLost = false;
};

/**
 * Sends the bytes with the descriptors attached (SCM_RIGHTS), with MSG_NOSIGNAL. A stream may
 * accept only some of the bytes; the descriptors travel with the first one.
 * @param flags MSG_DONTWAIT or 0
 * @return the number of bytes accepted
 * @throws SystemException (EAGAIN with MSG_DONTWAIT; ETOOMANYREFS with any flags; EPIPE if the peer
 *     has closed); ProtocolException (more than MAX_DESCRIPTORS)
 */
std::size_t sendWithDescriptors(const FileDescriptor &socket, std::string_view data, std::span<const int> descriptors,
                                int flags = 0);

/**
 * Adds the descriptors of a received SCM_RIGHTS message, as foreign ones of `sender`. Without
 * memory for them none stays open.
 * @throws std::bad_alloc
 */
void takeDescriptors(const cmsghdr &header, std::vector<FileDescriptor> &descriptors,
                     DescriptorSender sender = ANY_SENDER);

/**
 * Receives into `buffer`. Received descriptors are close-on-exec, and belong to the socket's sender
 * if the socket is foreign.
 * @throws SystemException (EAGAIN with MSG_DONTWAIT)
 */
Received receiveWithDescriptors(const FileDescriptor &socket, std::span<char> buffer, int flags = 0);

/**
 * Whether the descriptor is a Unix or TCP stream socket. An application may send any kind of
 * descriptor, so the function makes only calls that are local to sockets.
 */
bool isStream(const FileDescriptor &descriptor) noexcept;

/**
 * Makes the kernel attach the sender's credentials to all received messages.
 * @throws SystemException
 */
void enablePeerCredentials(const FileDescriptor &socket);

/**
 * Makes the kernel refuse messages with descriptors to this socket: their senders get EPERM. Linux
 * does so since 6.16 (SO_PASSRIGHTS); before, this has no effect.
 */
void denyDescriptors(const FileDescriptor &socket) noexcept;

}  // namespace Passenger
