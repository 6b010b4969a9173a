#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/FileDescriptor.h"

namespace Passenger {

inline constexpr int DEFAULT_BACKLOG = 1024;

/**
 * Opens a socket that listens on TCP, close-on-exec and nonblocking.
 * @param host an address or a name; empty: all addresses of IPv4
 * @param port 0: any free port
 * @throws SystemException, IOException, with the address
 */
FileDescriptor listenOnTcp(const std::string &host, std::uint16_t port, int backlog = DEFAULT_BACKLOG);

/** The port of a TCP socket. @throws SystemException */
std::uint16_t portOf(const FileDescriptor &socket);

/**
 * Opens a Unix socket that listens at `path`, close-on-exec and nonblocking. It replaces the file
 * of a socket at which no process listens. Another file is an error, and so is a socket in use.
 * @param mode the permissions of the file
 * @throws SystemException, IOException, with the path
 */
FileDescriptor listenOnUnix(const std::string &path, mode_t mode = 0660, int backlog = DEFAULT_BACKLOG);

/** The file of a Unix socket, and its identity: another server may replace the file. */
struct SocketFile {
    std::string path;
    dev_t device = 0;
    ino_t inode = 0;

    /** @throws SystemException */
    static SocketFile at(const std::string &path);
    /** Removes the file, unless it was replaced. */
    void remove() const noexcept;
};

}  // namespace Passenger
