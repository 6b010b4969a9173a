#include "prefork/PipedWorker.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <string_view>
#include <utility>

#include "base/Poll.h"
#include "prefork/WorkerListener.h"

namespace Passenger {

namespace {

constexpr std::size_t BLOCK = 65536;

/** Reads once. False at the end of the pipe. */
template <typename Feed> bool readOnce(const FileDescriptor &pipe, std::size_t most, Feed feed) {
    std::array<char, BLOCK> buffer;
    const ssize_t size = ::read(pipe.get(), buffer.data(), std::min(most, buffer.size()));
    if (size > 0) {
        feed(std::string_view(buffer.data(), static_cast<std::size_t>(size)));
    }
    return size > 0 || (size < 0 && (errno == EINTR || errno == EAGAIN));
}

/** Reads the bytes that are there now: a descendant of the worker may write more. */
template <typename Feed> void drain(const FileDescriptor &pipe, Feed feed) {
    for (std::size_t left = waitingIn(pipe.get()); left > 0;) {
        const std::size_t part = std::min(left, BLOCK);
        if (!readOnce(pipe, part, feed)) {
            return;
        }
        left -= part;
    }
}

}  // namespace

template <typename Divider>
PipedWorker::Pipe<Divider>::Pipe(EventLoop &loop, FileDescriptor pipe, Callback told, std::function<void()> closed)
    : pipe_(std::move(pipe)),
      told_(std::move(told)),
      closed_(std::move(closed)),
      watcher_(std::make_unique<DescriptorWatcher>(loop, pipe_.get(), DescriptorWatcher::READABLE,
                                                   [this](int) { read(); })) {}

template <typename Divider> void PipedWorker::Pipe<Divider>::read() {
    if (!readOnce(pipe_, BLOCK, [this](std::string_view bytes) { divider_.feed(bytes, told_); })) {
        watcher_.reset();
        divider_.finish(told_);
        closed_();
    }
}

template <typename Divider> void PipedWorker::Pipe<Divider>::finish() {
    if (watcher_) {
        drain(pipe_, [this](std::string_view bytes) { divider_.feed(bytes, told_); });
        divider_.finish(told_);
    }
}

PipedWorker::PipedWorker(EventLoop &loop, WorkerListener &listener, WorkerId id, FileDescriptor output,
                         FileDescriptor error, FileDescriptor printed)
    : listener_(listener),
      id_(id),
      output_(
          loop, std::move(output), [this](std::string_view told) { listener_.workerStdout(id_, told); },
          [this] { listener_.workerMute(id_); }),
      errors_(loop, std::move(error), [this](std::string_view line) { listener_.workerStderr(id_, line); }) {
    if (printed) {
        printed_.emplace(loop, std::move(printed),
                         [this](std::string_view line) { listener_.workerPrinted(id_, line); });
    }
}

void PipedWorker::processEnded(int status) {
    output_.finish();
    errors_.finish();
    if (printed_) {
        printed_->finish();
    }
    stopReading();
    listener_.workerClosed(id_, status);
}

void PipedWorker::stopReading() noexcept {
    output_.stop();
    errors_.stop();
    if (printed_) {
        printed_->stop();
    }
}

}  // namespace Passenger
