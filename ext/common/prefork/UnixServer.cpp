#include "prefork/UnixServer.h"

#include <unistd.h>

#include <utility>

namespace Passenger {

UnixServer::UnixServer(std::string path, Handler handler, mode_t mode, int backlog)
    : AcceptServer(std::move(handler)), path_(std::move(path)), mode_(mode), backlog_(backlog) {}

UnixServer::~UnixServer() {
    if (maker_ == ::getpid()) {
        file_.remove();
    }
}

FileDescriptor UnixServer::listen() {
    FileDescriptor socket = listenOnUnix(path_, mode_, backlog_);
    file_ = SocketFile::at(path_);
    maker_ = ::getpid();
    return socket;
}

}  // namespace Passenger
