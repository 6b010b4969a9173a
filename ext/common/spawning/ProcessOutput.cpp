#include "spawning/ProcessOutput.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>

#include "base/Poll.h"
#include "log/Log.h"

namespace Passenger {

namespace {

constexpr std::size_t BLOCK = 65536;

bool readable(const FileDescriptor &pipe) {
    return pollUntil(pipe.get(), POLLIN, std::chrono::steady_clock::now());
}

/** The number of bytes in the pipe. */
std::size_t waitingIn(const FileDescriptor &pipe) {
    int size = 0;
    return ::ioctl(pipe.get(), FIONREAD, &size) == 0 && size > 0 ? static_cast<std::size_t>(size) : 0;
}

}  // namespace

ProcessOutput::ProcessOutput(EventLoop &loop, FileDescriptor pipe, Sink sink)
    : loop_(loop), pipe_(std::move(pipe)), sink_(sink ? std::move(sink) : [](pid_t pid, const std::string &line) {
          Log::writeApplicationOutput(pid, line, Log::outputPrefix());
      }) {
    // Events are set only after watcher_: the callback runs in another thread, perhaps at once, and
    // uses it.
    watcher_ = std::make_unique<DescriptorWatcher>(loop, pipe_.get(), 0, [this](int) {
        if (!readAvailable()) {
            watcher_->setEvents(0);
        }
    });
    watcher_->setEvents(DescriptorWatcher::READABLE);
}

ProcessOutput::~ProcessOutput() {
    // On the loop, because the callback uses watcher_.
    loop_.runSync([this] { watcher_.reset(); });
    readAvailable();
    LockGuard guard(mutex_);
    lines_.finish([this](std::string_view line) REQUIRES(mutex_) { accept(line); });
    writeWaiting();
}

void ProcessOutput::setPid(pid_t pid) {
    LockGuard guard(mutex_);
    pid_ = pid;
    writeWaiting();
}

std::string ProcessOutput::lastLines() {
    return linesAfter(0);
}

std::uint64_t ProcessOutput::lineCount() {
    readAvailable();
    LockGuard guard(mutex_);
    return count_;
}

std::string ProcessOutput::linesAfter(std::uint64_t count) {
    readAvailable();
    LockGuard guard(mutex_);
    const std::uint64_t gone = count_ - kept_.size();
    std::string result;
    for (std::size_t i = count > gone ? std::min<std::uint64_t>(count - gone, kept_.size()) : 0; i < kept_.size();
         i++) {
        result += kept_[i];
        result += '\n';
    }
    return result;
}

bool ProcessOutput::readAvailable() {
    LockGuard guard(mutex_);
    std::array<char, BLOCK> buffer;
    // The call reads only the bytes that are there now. Otherwise a process that prints without
    // pause would keep its reader.
    std::size_t left = waitingIn(pipe_);
    while (!ended_ && readable(pipe_)) {
        const ssize_t size = ::read(pipe_.get(), buffer.data(), buffer.size());
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size <= 0) {
            ended_ = true;
            break;
        }
        lines_.feed(std::string_view(buffer.data(), static_cast<std::size_t>(size)),
                    [this](std::string_view line) REQUIRES(mutex_) { accept(line); });
        if (static_cast<std::size_t>(size) >= left) {
            break;
        }
        left -= static_cast<std::size_t>(size);
    }
    return !ended_;
}

void ProcessOutput::accept(std::string_view line) {
    kept_.emplace_back(line);
    count_++;
    if (kept_.size() > KEPT_LINES) {
        kept_.pop_front();
    }
    if (pid_ != 0) {
        sink_(pid_, kept_.back());
        return;
    }
    waiting_.emplace_back(line);
    // A process does not normally print so much before the agent knows its pid. The lines are
    // written to save memory.
    if (waiting_.size() > KEPT_LINES) {
        writeWaiting();
    }
}

void ProcessOutput::writeWaiting() {
    for (const auto &line : waiting_) {
        sink_(pid_, line);
    }
    waiting_.clear();
}

}  // namespace Passenger
