#include "spawning/BootGuard.h"

#include <poll.h>
#include <sys/socket.h>

#include <chrono>
#include <exception>
#include <utility>

#include "base/Poll.h"
#include "io/SocketPair.h"
#include "log/Log.h"

namespace Passenger {

namespace {

using namespace std::chrono_literals;

/** The keeper continues after this time if processes are left. */
constexpr auto SWEEP_LIMIT = 5000ms;

}  // namespace

// The keeper runs as the application's user, whose other processes can use its end of the socket.
BootGuard::BootGuard(FileDescriptor socket) noexcept : keeper_(FileDescriptor::foreign(socket.release())) {
    denyDescriptors(keeper_);
}

BootGuard &BootGuard::operator=(BootGuard &&other) noexcept {
    if (this != &other) {
        sweep();
        keeper_ = std::move(other.keeper_);
    }
    return *this;
}

BootGuard::~BootGuard() {
    sweep();
}

void BootGuard::succeeded() noexcept {
    if (keeper_) {
        // The call fails only if the keeper has ended. No process is killed then.
        static_cast<void>(::send(keeper_.get(), "", 1, MSG_NOSIGNAL | MSG_DONTWAIT));
        keeper_.reset();
    }
}

void BootGuard::sweep() noexcept {
    if (!keeper_) {
        return;
    }
    ::shutdown(keeper_.get(), SHUT_WR);
    try {
        // The keeper sends no data. The end of file arrives when all processes have ended.
        if (!pollUntil(keeper_.get(), POLLIN, deadlineIn(SWEEP_LIMIT))) {
            Log::warn("event=spawn.sweep_slow note=\"processes of a failed spawn do not end\"");
        }
    } catch (const std::exception &e) {
        Log::warn("event=spawn.sweep_failed error=\"{}\"", e.what());
    }
    keeper_.reset();
}

}  // namespace Passenger
