#include "prefork/WorkerOutput.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

#include "base/Exceptions.h"

namespace Passenger {

namespace {

constexpr std::size_t SIZE = COMM_ACK.size();
static_assert(COMM_BUSY.size() == SIZE && COMM_NOT_BUSY.size() == SIZE);

bool isConstant(std::string_view bytes) {
    return bytes == COMM_ACK || bytes == COMM_BUSY || bytes == COMM_NOT_BUSY;
}

bool mayBecomeConstant(std::string_view bytes) {
    return COMM_ACK.starts_with(bytes) || COMM_BUSY.starts_with(bytes) || COMM_NOT_BUSY.starts_with(bytes);
}

/** How many bytes at the end may be the beginning of a message. */
std::size_t beginningAtEnd(std::string_view bytes) {
    for (std::size_t size = std::min(bytes.size(), SIZE - 1); size > 0; size--) {
        if (mayBecomeConstant(bytes.substr(bytes.size() - size))) {
            return size;
        }
    }
    return 0;
}

}  // namespace

void WorkerOutput::feed(std::string_view bytes, const Callback &callback) {
    const std::string all = held_ + std::string(bytes);
    held_.clear();
    std::string_view left = all;
    std::size_t from = 0;
    for (std::size_t at; (at = left.find(COMM_ACK.front(), from)) != std::string_view::npos;) {
        const auto candidate = left.substr(at, SIZE);
        if (!isConstant(candidate)) {
            from = at + 1;
            continue;
        }
        // First the lines that ended before the message.
        lines_.feed(left.substr(0, at), callback);
        callback(candidate);
        left.remove_prefix(at + SIZE);
        from = 0;
    }
    const std::size_t beginning = beginningAtEnd(left);
    held_ = left.substr(left.size() - beginning);
    left.remove_suffix(beginning);
    lines_.feed(left, callback);
}

void WorkerOutput::finish(const Callback &callback) {
    lines_.feed(held_, callback);
    held_.clear();
    lines_.finish(callback);
}

void tellMonitor(int descriptor, std::string_view constant) {
    for (;;) {
        const ssize_t written = ::write(descriptor, constant.data(), constant.size());
        if (written == static_cast<ssize_t>(constant.size())) {
            return;
        }
        if (written >= 0) {
            throw IOException(
                "Standard output took only a part of a message to the monitor; it must be the monitor's pipe");
        }
        if (errno == EAGAIN) {
            pollfd entry{descriptor, POLLOUT, 0};
            ::poll(&entry, 1, -1);
        } else if (errno != EINTR) {
            throw SystemException("write(standard output)", errno);
        }
    }
}

}  // namespace Passenger
