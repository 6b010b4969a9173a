#include "spawning/CancelSwitch.h"

#include <sys/socket.h>

#include <algorithm>

namespace Passenger {

CancelSwitch::Watch::Watch(CancelSwitch &owner, const FileDescriptor &socket) : owner_(owner), socket_(socket.get()) {
    LockGuard guard(owner_.mutex_);
    owner_.watched_.push_back(socket_);
    if (owner_.cancelled_) {
        ::shutdown(socket_, SHUT_RDWR);
    }
}

CancelSwitch::Watch::~Watch() {
    LockGuard guard(owner_.mutex_);
    owner_.watched_.erase(std::find(owner_.watched_.begin(), owner_.watched_.end(), socket_));
}

void CancelSwitch::cancel() {
    LockGuard guard(mutex_);
    cancelled_ = true;
    for (const int socket : watched_) {
        // The call fails only if the other side has closed; no thread waits for it then.
        ::shutdown(socket, SHUT_RDWR);
    }
}

bool CancelSwitch::cancelled() const {
    LockGuard guard(mutex_);
    return cancelled_;
}

}  // namespace Passenger
