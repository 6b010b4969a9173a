#include "bridge/ControlSocket.h"

#include <exception>

namespace Passenger::Bridge {

namespace {

/** An agent that reads nothing for so long counts as gone. */
constexpr std::chrono::seconds SEND_LIMIT{60};

}  // namespace

void ControlSocket::send(const Frame &frame) {
    const LockGuard lock(mutex_);
    socket_.send(frame, FrameSocket::in(SEND_LIMIT));
}

void ControlSocket::tell(const Frame &frame) noexcept {
    try {
        send(frame);
    } catch (const std::exception &) {
        return;
    }
}

void ControlSocket::sendIfRoom(const Frame &frame) {
    const LockGuard lock(mutex_);
    socket_.send(frame, FrameSocket::in(std::chrono::seconds(0)));
}

void ControlSocket::tellIfRoom(const Frame &frame) noexcept {
    try {
        sendIfRoom(frame);
    } catch (const std::exception &) {
        return;
    }
}

}  // namespace Passenger::Bridge
