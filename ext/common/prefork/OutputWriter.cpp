#include "prefork/OutputWriter.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include <fmt/format.h>

#include "base/Poll.h"
#include "log/Log.h"

namespace Passenger {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds PATIENCE_AT_END{1000};

/**
 * A terminal is writable with less room than a line needs, and would hold the writer then. Only a
 * new open file can be nonblocking without an effect on other processes. None: it is no terminal,
 * or this user may not open it.
 */
FileDescriptor openTerminal(int descriptor) {
    if (::isatty(descriptor) == 0) {
        return {};
    }
    return FileDescriptor(
        ::open(fmt::format("/proc/self/fd/{}", descriptor).c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

}  // namespace

OutputWriter::OutputWriter(int descriptor, const char *name)
    : terminal_(openTerminal(descriptor)), descriptor_(terminal_ ? terminal_.get() : descriptor), name_(name) {}

OutputWriter::~OutputWriter() {
    detach();
    writeSome(PATIENCE_AT_END);
}

void OutputWriter::attach(EventLoop &loop) {
    loop_ = &loop;
}

void OutputWriter::detach() {
    watcher_.reset();
    loop_ = nullptr;
}

void OutputWriter::write(pid_t pid, std::string_view line) {
    const std::string begin = std::to_string(pid) + ' ' + name_ + ": ";
    if (waiting_.size() + begin.size() + line.size() >= WAITING_LIMIT) {
        lose("\n", "no process reads the stream");
        return;
    }
    waiting_.append(begin).append(line).append("\n");
    // With a watcher, the line is written when there is room.
    if (!watcher_) {
        writeOn();
    }
}

/** True: no bytes are left. */
bool OutputWriter::writeSome(milliseconds patience) {
    std::string_view left = waiting_;
    const auto deadline = deadlineIn(patience);
    while (!left.empty() && pollUntil(descriptor_, POLLOUT, deadline)) {
        // A pipe that is writable takes PIPE_BUF bytes without blocking.
        const ssize_t written = ::write(descriptor_, left.data(), std::min<std::size_t>(left.size(), PIPE_BUF));
        if (written >= 0) {
            left.remove_prefix(static_cast<std::size_t>(written));
            failing_ = false;
        } else if (errno == EPIPE) {
            left = {};
        } else if (errno == EAGAIN) {
            // A terminal may be writable and take nothing.
            break;
        } else if (errno != EINTR) {
            failing_ = true;
            lose(left, std::strerror(errno));
            left = {};
        }
    }
    waiting_.erase(0, waiting_.size() - left.size());
    return waiting_.empty();
}

void OutputWriter::lose(std::string_view lines, const char *reason) {
    if (lost_ == 0) {
        Log::warn("event=prefork.output_stuck stream={} reason=\"{}\" consequence=\"lines of workers are lost\"", name_,
                  reason);
    }
    lost_ += static_cast<std::size_t>(std::count(lines.begin(), lines.end(), '\n'));
}

void OutputWriter::writeOn() {
    if (!writeSome(milliseconds(0))) {
        if (loop_ != nullptr && !watcher_) {
            watcher_ = std::make_unique<DescriptorWatcher>(*loop_, descriptor_, DescriptorWatcher::WRITABLE,
                                                           [this](int) { writeOn(); });
        }
        return;
    }
    watcher_.reset();
    if (lost_ > 0 && !failing_) {
        Log::warn("event=prefork.output_lost stream={} lines={}", name_, lost_);
        lost_ = 0;
    }
}

}  // namespace Passenger
