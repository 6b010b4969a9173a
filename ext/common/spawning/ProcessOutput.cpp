#include "spawning/ProcessOutput.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include "base/Poll.h"
#include "log/Log.h"

namespace Passenger {

namespace {

constexpr std::size_t BLOCK = 65536;
/** The last bytes of each read are looked at line by line, for reports. */
constexpr std::size_t TAIL = 4096;

bool readable(const FileDescriptor &pipe) {
    return pollUntil(pipe.get(), POLLIN, std::chrono::steady_clock::now());
}

}  // namespace

ProcessOutput::ProcessOutput(EventLoop &loop, FileDescriptor pipe, Sink sink, std::shared_ptr<OutputLimit> limit)
    : loop_(loop),
      pipe_(std::move(pipe)),
      sink_(sink ? std::move(sink)
                 : [](pid_t pid,
                      const std::string &line) { Log::writeApplicationOutput(pid, line, Log::outputPrefix()); }),
      limit_(std::move(limit)) {
    watch();
}

void ProcessOutput::watch() {
    rest_ = std::make_unique<Timer>(loop_, [this] { watcher_->setEvents(DescriptorWatcher::READABLE); });
    // Events are set only after watcher_: the callback runs in another thread, perhaps at once, and
    // uses it.
    watcher_ = std::make_unique<DescriptorWatcher>(loop_, pipe_.get(), 0, [this](int) {
        const Next next = readAvailable();
        if (next != Next::READ) {
            watcher_->setEvents(0);
        }
        if (next == Next::REST) {
            rest_->start(REST);
        }
    });
    watcher_->setEvents(DescriptorWatcher::READABLE);
}

ProcessOutput::~ProcessOutput() {
    // On the loop, because the callbacks use both.
    loop_.runSync([this] {
        rest_.reset();
        watcher_.reset();
    });
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

ProcessOutput::Next ProcessOutput::readAvailable() {
    LockGuard guard(mutex_);
    std::array<char, BLOCK> buffer;
    // The call reads only the bytes that are there now. Otherwise a process that prints without
    // pause would keep its reader.
    std::size_t left = waitingIn(pipe_.get());
    const bool drops = limit_ && limit_->full();
    if (drops && !std::exchange(enlarged_, true)) {
        // A failure only makes the process wait more often.
        static_cast<void>(::fcntl(pipe_.get(), F_SETPIPE_SZ, LARGE_PIPE));
    }
    while (!ended_ && readable(pipe_)) {
        const ssize_t size = ::read(pipe_.get(), buffer.data(), buffer.size());
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size <= 0) {
            ended_ = true;
            break;
        }
        const std::string_view bytes(buffer.data(), static_cast<std::size_t>(size));
        lines_.feed(drops ? skip(bytes) : bytes, [this](std::string_view line) REQUIRES(mutex_) { accept(line); });
        if (static_cast<std::size_t>(size) >= left) {
            break;
        }
        left -= static_cast<std::size_t>(size);
    }
    return ended_ ? Next::END : drops ? Next::REST : Next::READ;
}

/** Counts all lines but the last ones. @return the bytes of those */
std::string_view ProcessOutput::skip(std::string_view bytes) {
    const std::size_t end = bytes.size() > TAIL ? bytes.find('\n', bytes.size() - TAIL) : std::string_view::npos;
    if (end == std::string_view::npos) {
        return bytes;
    }
    const auto lines = static_cast<std::uint64_t>(std::count(bytes.begin(), bytes.begin() + end + 1, '\n'));
    lines_.drop();
    // They are the last ones of all lines so far.
    kept_.clear();
    count_ += lines;
    limit_->skipped(lines);
    return bytes.substr(end + 1);
}

void ProcessOutput::accept(std::string_view line) {
    kept_.emplace_back(line);
    count_++;
    if (kept_.size() > KEPT_LINES) {
        kept_.pop_front();
    }
    if (pid_ != 0) {
        write(kept_.back());
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
        write(line);
    }
    waiting_.clear();
}

void ProcessOutput::write(const std::string &line) {
    if (limit_) {
        limit_->write(pid_, line, sink_);
    } else {
        sink_(pid_, line);
    }
}

}  // namespace Passenger
