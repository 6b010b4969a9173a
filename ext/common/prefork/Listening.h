#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/FileDescriptor.h"

namespace Passenger {

inline constexpr int DEFAULT_BACKLOG = 1024;

/** A socket that listens on TCP, close-on-exec and nonblocking. @param host an address or a name; empty: all addresses of IPv4
 *  @param port 0: any free one. @throws SystemException, IOException, which name the address */
FileDescriptor listenOnTcp(const std::string &host, std::uint16_t port, int backlog = DEFAULT_BACKLOG);

/** The port a TCP socket has. @throws SystemException */
std::uint16_t portOf(const FileDescriptor &socket);

/** A Unix socket that listens at `path`, close-on-exec and nonblocking. A socket's file where nobody listens any more is replaced; where somebody
 *  listens, or the file is none, that is an error. @param mode permissions of the file. @throws SystemException, IOException, which name the path */
FileDescriptor listenOnUnix(const std::string &path, mode_t mode = 0660, int backlog = DEFAULT_BACKLOG);

}  // namespace Passenger
