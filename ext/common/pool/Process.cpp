#include "pool/Process.h"

#include <csignal>

#include "base/Exceptions.h"
#include "base/Log.h"
#include "base/PidFd.h"

namespace Passenger {

Process::Process(SpawnResult result, Generation generation, const Socket &socket, MonotonicTime now)
    : socket(socket),
      lastUsed(now),
      parts_(std::move(result)),
      pid_(parts_.pid),
      generation_(generation),
      since_(now) {}

Process::~Process() = default;

void Process::watch(EventLoop &loop, std::function<void()> died, std::function<void(Frame)> frame) {
    frame_ = std::move(frame);
    // On the loop: a process that has ended already calls back at once, and the callback needs its watcher.
    loop.runSync([&] { startWatchers(loop, std::move(died)); });
}

void Process::startWatchers(EventLoop &loop, std::function<void()> died) {
    if (parts_.pidFd) {
        deathWatcher_ = std::make_unique<DescriptorWatcher>(loop, parts_.pidFd.get(), DescriptorWatcher::READABLE,
                                                            [this, died = std::move(died)](int) {
                                                                deathWatcher_->setEvents(0);
                                                                died();
                                                            });
    }
    if (parts_.control) {
        controlWatcher_ = std::make_unique<DescriptorWatcher>(
            loop, parts_.control.descriptor().get(), DescriptorWatcher::READABLE, [this](int) { readFrames(); });
        // What came together with READY is read already: no watcher will tell of it.
        readFrames();
    }
}

/** On the loop. Death is learned from the pidfd, never here: an application's own child may hold the socket, or close it. */
void Process::readFrames() {
    try {
        while (std::optional<Frame> frame = parts_.control.tryReceive()) {
            frame_(std::move(*frame));
        }
    } catch (const EndOfFileException &) {
        controlWatcher_->setEvents(0);
    } catch (const std::exception &error) {
        Log::warn("event=instance.control_broken pid={} error=\"{}\"", pid_, error.what());
        controlWatcher_->setEvents(0);
        kill();
    }
}

void Process::send(const Frame &frame, const std::vector<int> &descriptors) {
    if (!parts_.control) {
        return;
    }
    try {
        parts_.control.send(frame, descriptors, FrameSocket::in(std::chrono::milliseconds(0)));
    } catch (const TimeoutException &) {
        Log::warn("event=instance.control_full pid={} action=kill", pid_);
        kill();
    } catch (const SystemException &error) {
        if (error.error() != EPIPE && error.error() != ECONNRESET) {
            throw;
        }
        // It is on its way out; its pidfd will tell.
    }
}

void Process::finish() {
    send(Frame(FrameType::FINISH));
}

void Process::kill() {
    if (parts_.pidFd) {
        signalPidFd(parts_.pidFd, SIGKILL);
    }
}

}  // namespace Passenger
