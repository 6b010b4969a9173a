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

PipedWorker::Lines::Lines(EventLoop &loop, FileDescriptor pipe, LineReader::LineCallback told)
    : pipe_(std::move(pipe)),
      told_(std::move(told)),
      watcher_(std::make_unique<DescriptorWatcher>(loop, pipe_.get(), DescriptorWatcher::READABLE,
                                                   [this](int) { read(); })) {}

void PipedWorker::Lines::read() {
    if (!readOnce(pipe_, BLOCK, [this](std::string_view bytes) { reader_.feed(bytes, told_); })) {
        watcher_.reset();
        reader_.finish(told_);
    }
}

void PipedWorker::Lines::finish() {
    if (watcher_) {
        drain(pipe_, [this](std::string_view bytes) { reader_.feed(bytes, told_); });
        reader_.finish(told_);
    }
}

void PipedWorker::Lines::stop() noexcept {
    watcher_.reset();
}

PipedWorker::PipedWorker(EventLoop &loop, WorkerListener &listener, WorkerId id, FileDescriptor output,
                         FileDescriptor error, FileDescriptor printed)
    : listener_(listener),
      id_(id),
      output_(std::move(output)),
      toldOutput_([this](std::string_view told) { listener_.workerStdout(id_, told); }),
      outputWatcher_(std::make_unique<DescriptorWatcher>(loop, output_.get(), DescriptorWatcher::READABLE,
                                                         [this](int) { readOutput(); })),
      errors_(loop, std::move(error), [this](std::string_view line) { listener_.workerStderr(id_, line); }) {
    if (printed) {
        printed_.emplace(loop, std::move(printed),
                         [this](std::string_view line) { listener_.workerPrinted(id_, line); });
    }
}

void PipedWorker::readOutput() {
    if (!readOnce(output_, BLOCK, [this](std::string_view bytes) { worker_.feed(bytes, toldOutput_); })) {
        outputWatcher_.reset();
        worker_.finish(toldOutput_);
        listener_.workerMute(id_);
    }
}

void PipedWorker::processEnded(int status) {
    if (outputWatcher_) {
        drain(output_, [this](std::string_view bytes) { worker_.feed(bytes, toldOutput_); });
        worker_.finish(toldOutput_);
    }
    errors_.finish();
    if (printed_) {
        printed_->finish();
    }
    stopReading();
    listener_.workerClosed(id_, status);
}

void PipedWorker::stopReading() noexcept {
    outputWatcher_.reset();
    errors_.stop();
    if (printed_) {
        printed_->stop();
    }
}

}  // namespace Passenger
