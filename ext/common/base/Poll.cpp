#include "base/Poll.h"

#include <poll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>

#include "base/Exceptions.h"

namespace Passenger {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds LONGEST_POLL = std::chrono::hours(24);
constexpr milliseconds LONGEST_TIMEOUT = std::chrono::hours(24 * 365);

}  // namespace

bool pollUntil(int fd, short events, std::chrono::steady_clock::time_point deadline) {
    pollfd entry{fd, events, 0};
    for (;;) {
        const auto left = timeUntil(deadline, std::chrono::steady_clock::now());
        const auto timeout = std::min(left, LONGEST_POLL);
        const int ready = ::poll(&entry, 1, static_cast<int>(timeout.count()));
        if (ready > 0) {
            if ((entry.revents & POLLNVAL) != 0) {
                throw SystemException("poll", EBADF);
            }
            return true;
        }
        if (ready < 0 && errno != EINTR) {
            throw SystemException("poll", errno);
        }
        if (ready == 0 && left <= timeout) {
            return false;
        }
    }
}

std::size_t waitingIn(int pipe) noexcept {
    int size = 0;
    return ::ioctl(pipe, FIONREAD, &size) == 0 && size > 0 ? static_cast<std::size_t>(size) : 0;
}

std::chrono::steady_clock::time_point deadlineIn(std::chrono::milliseconds timeout) {
    return std::chrono::steady_clock::now() + std::min(timeout, LONGEST_TIMEOUT);
}

milliseconds timeUntil(std::chrono::steady_clock::time_point then, std::chrono::steady_clock::time_point now) {
    // The difference to a time far in the past could overflow.
    return then > now ? std::chrono::ceil<milliseconds>(then - now) : milliseconds(0);
}

int millisecondsUntil(std::chrono::steady_clock::time_point then) {
    return static_cast<int>(std::min(timeUntil(then, std::chrono::steady_clock::now()), LONGEST_POLL).count());
}

}  // namespace Passenger
