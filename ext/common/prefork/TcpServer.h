#pragma once

#include <cstdint>
#include <string>

#include "base/FileDescriptor.h"
#include "prefork/AcceptServer.h"
#include "prefork/Listening.h"

namespace Passenger {

/** An AcceptServer on a TCP port. */
class TcpServer final : public AcceptServer {
public:
    /** See listenOnTcp(). */
    TcpServer(std::string host, std::uint16_t port, Handler handler, int backlog = DEFAULT_BACKLOG);
    /** The port of the socket, after start(). */
    std::uint16_t port() const;

private:
    FileDescriptor listen() override;

    std::string host_;
    std::uint16_t port_;
    int backlog_;
};

}  // namespace Passenger
