#include "prefork/TcpServer.h"

#include <utility>

namespace Passenger {

TcpServer::TcpServer(std::string host, std::uint16_t port, Handler handler, int backlog)
    : AcceptServer(std::move(handler)), host_(std::move(host)), port_(port), backlog_(backlog) {}

std::uint16_t TcpServer::port() const {
    return portOf(listener());
}

FileDescriptor TcpServer::listen() {
    return listenOnTcp(host_, port_, backlog_);
}

}  // namespace Passenger
