#pragma once

#include <sys/types.h>

#include <string>

#include "base/FileDescriptor.h"
#include "prefork/AcceptServer.h"
#include "prefork/Listening.h"

namespace Passenger {

/**
 * An AcceptServer on a Unix socket. The process that called start() removes the socket's file in
 * the destructor.
 */
class UnixServer final : public AcceptServer {
public:
    /** See listenOnUnix(). */
    UnixServer(std::string path, Handler handler, mode_t mode = 0660, int backlog = DEFAULT_BACKLOG);
    ~UnixServer() override;
    UnixServer(const UnixServer &) = delete;
    UnixServer &operator=(const UnixServer &) = delete;

private:
    FileDescriptor listen() override;

    std::string path_;
    mode_t mode_;
    int backlog_;
    /** The process that made the file. */
    pid_t maker_ = 0;
    SocketFile file_;
};

}  // namespace Passenger
