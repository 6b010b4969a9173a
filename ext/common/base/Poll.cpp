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
        // The comparison comes first, since the difference to a deadline far in the past could
        // overflow. The time is rounded up, so that poll() does not return early and the loop does
        // not spin for the last millisecond.
        const auto now = std::chrono::steady_clock::now();
        const auto left = deadline > now ? std::chrono::ceil<milliseconds>(deadline - now) : milliseconds(0);
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

}  // namespace Passenger
