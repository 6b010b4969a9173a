#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "base/FileDescriptor.h"

namespace Passenger {

/** Connected close-on-exec pairs of Unix sockets. @throws SystemException */
DescriptorPair makeStreamPair();
DescriptorPair makeSeqPacketPair();

/** Most descriptors that one message may carry. */
inline constexpr std::size_t MAX_DESCRIPTORS = 16;

/** After which a descriptor may be tried again where more of this user's are on their way in sockets than one of its processes may have open
 *  (ETOOMANYREFS): nobody tells when there are fewer. */
inline constexpr std::chrono::milliseconds UNDER_WAY_PAUSE{5};

/** Who sent a message, as the kernel saw it. */
struct PeerCredentials {
    pid_t pid = 0;
    uid_t uid = 0;
    gid_t gid = 0;

    friend bool operator==(const PeerCredentials &, const PeerCredentials &) = default;
};

/** What one recvmsg brought. */
struct Received {
    /** Bytes; 0 is the end of file (or an empty message). */
    std::size_t size = 0;
    std::vector<FileDescriptor> descriptors;
    /** Filled where the receiver has SO_PASSCRED on. */
    PeerCredentials credentials;
    /** A message that was longer than the buffer (SOCK_SEQPACKET), or descriptors that did not fit. */
    bool truncated = false;
};

/** Sends the bytes with the descriptors attached (SCM_RIGHTS), MSG_NOSIGNAL. On a stream, fewer bytes than given may be taken: the
 *  descriptors travel with the first one. @param flags MSG_DONTWAIT or 0.
 *  @return bytes taken. @throws SystemException (EAGAIN with MSG_DONTWAIT, ETOOMANYREFS in any case, EPIPE when the peer is gone);
 *  ProtocolException (more than MAX_DESCRIPTORS) */
std::size_t sendWithDescriptors(const FileDescriptor &socket, std::string_view data, std::span<const int> descriptors,
                                int flags = 0);

/** Receives into `buffer`; descriptors come close-on-exec. @throws SystemException (EAGAIN with MSG_DONTWAIT) */
Received receiveWithDescriptors(const FileDescriptor &socket, std::span<char> buffer, int flags = 0);

/** Whether it is a stream socket, a Unix one or one of TCP. Asks nobody but the kernel's sockets: a descriptor from an application may be of anything. */
bool isStream(const FileDescriptor &descriptor) noexcept;

/** Makes the kernel attach the sender's credentials to all that arrives here. @throws SystemException */
void enablePeerCredentials(const FileDescriptor &socket);

}  // namespace Passenger
