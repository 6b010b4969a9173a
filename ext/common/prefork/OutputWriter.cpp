#include "prefork/OutputWriter.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>

#include "base/Poll.h"
#include "log/Log.h"

namespace Passenger {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds PATIENCE_AT_END{1000};

}  // namespace

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
        if (lost_++ == 0) {
            Log::warn(
                "event=prefork.output_stuck stream={} reason=\"no process reads the stream; lines of workers are "
                "lost\"",
                name_);
        }
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
        } else if (errno != EINTR && errno != EAGAIN) {
            left = {};
        }
    }
    waiting_.erase(0, waiting_.size() - left.size());
    return waiting_.empty();
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
    if (lost_ > 0) {
        Log::warn("event=prefork.output_lost stream={} lines={}", name_, lost_);
        lost_ = 0;
    }
}

}  // namespace Passenger
