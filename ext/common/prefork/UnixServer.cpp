#include "prefork/UnixServer.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/Exceptions.h"

namespace Passenger {

UnixServer::UnixServer(std::string path, Handler handler, mode_t mode, int backlog)
    : AcceptServer(std::move(handler)), path_(std::move(path)), mode_(mode), backlog_(backlog) {}

UnixServer::~UnixServer() {
    struct stat status {};
    if (maker_ == ::getpid() && ::lstat(path_.c_str(), &status) == 0 && status.st_dev == device_ &&
        status.st_ino == inode_) {
        ::unlink(path_.c_str());
    }
}

FileDescriptor UnixServer::listen() {
    FileDescriptor socket = listenOnUnix(path_, mode_, backlog_);
    struct stat status {};
    if (::lstat(path_.c_str(), &status) != 0) {
        throw SystemException("lstat(\"" + path_ + "\")", errno);
    }
    maker_ = ::getpid();
    device_ = status.st_dev;
    inode_ = status.st_ino;
    return socket;
}

}  // namespace Passenger
