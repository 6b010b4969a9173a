#include "pool/InstanceLink.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <exception>
#include <optional>
#include <utility>

#include "base/Exceptions.h"
#include "base/Poll.h"
#include "log/Log.h"
#include "rights/Rights.h"

namespace Passenger {

namespace {

constexpr unsigned MAX_FRAMES_AT_ONCE = 1024;
/** Bytes that are read before others have their turn on the loop. The rest stays in the socket. */
constexpr std::size_t MAX_BYTES_AT_ONCE = 256 * 1024;
constexpr std::size_t MAX_DROPS = 256;
constexpr int MAX_UNREAD = 64 * 1024;

/** What an instance may send once it serves. */
bool maySend(FrameType type) {
    return type == FrameType::FETCH || type == FrameType::NO_CHANNEL || type == FrameType::LIMIT_REACHED ||
           type == FrameType::PAUSE || type == FrameType::WARM || type == FrameType::HEARTBEAT ||
           type == FrameType::THREADS;
}

}  // namespace

Frame InstanceLink::receiveAnswer(unsigned threads, bool servesAlready, FrameSocket::Deadline deadline) {
    threads_ = threads;
    Frame frame = parts_.control.receive(deadline);
    // The thread of the signs of life may be there before READY.
    const auto comesBefore = [&] { return servesAlready ? maySend(frame.type) : frame.type == FrameType::HEARTBEAT; };
    for (unsigned count = 0; comesBefore(); frame = parts_.control.receive(deadline)) {
        if (count++ == mostFetches()) {
            throw ProtocolException("it sends too much");
        }
        if (frame.type == FrameType::FETCH) {
            parts_.control.send(Frame::of(FrameType::NO_CHANNEL, frame.number(0)), deadline);
        }
    }
    return frame;
}

std::optional<Frame> InstanceLink::answerFetches(const std::function<int(ChannelId)> &endOf,
                                                 FrameSocket::Deadline deadline) {
    std::size_t room = MAX_BYTES_AT_ONCE;
    while (std::optional<Frame> frame = parts_.control.tryReceive(room)) {
        if (!maySend(frame->type)) {
            return frame;
        }
        if (frame->type == FrameType::FETCH) {
            const ChannelId channel(frame->number(0));
            const int end = endOf(channel);
            parts_.control.send(Frame::of(end < 0 ? FrameType::NO_CHANNEL : FrameType::CHANNEL, channel),
                                end < 0 ? std::vector<int>() : std::vector<int>{end}, deadline);
        }
    }
    return std::nullopt;
}

void InstanceLink::watch(EventLoop &loop, unsigned threads, std::function<void()> died,
                         std::function<void(Frame)> frame) {
    if (!parts_.pidFd && !parts_.control) {
        return;
    }
    threads_ = threads;
    frame_ = std::move(frame);
    // On the loop: a process that has ended already calls back at once, and needs the watcher.
    loop.runSync([&] { startWatchers(loop, std::move(died)); });
}

void InstanceLink::startWatchers(EventLoop &loop, std::function<void()> died) {
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
        // Frames that came together with READY are read already: no watcher will tell of them.
        readFrames();
    }
}

/**
 * On the loop. Only the pidfd tells of death: an application's own child may hold the socket, or
 * close it.
 */
void InstanceLink::readFrames() {
    const bool held = !held_.empty();
    try {
        fetchHeld();
        unsigned fetches = 0;
        unsigned others = 0;
        std::size_t room = MAX_BYTES_AT_ONCE;
        while (std::optional<Frame> frame = parts_.control.tryReceive(room)) {
            const bool asks = frame->type == FrameType::FETCH;
            // The answer to a pool process that died before it read the answer.
            const bool isLate = frame->type == FrameType::READY;
            // More would keep the loop busy.
            if ((asks ? fetches++ == mostFetches() : others++ == MAX_FRAMES_AT_ONCE) ||
                (!isLate && !maySend(frame->type))) {
                throw ProtocolException("it sends what it may not, or too much");
            }
            if (asks) {
                fetch(ChannelId(frame->number(0)));
            } else if (!isLate) {
                frame_(std::move(*frame));
            }
        }
        if (held != !held_.empty()) {
            controlWatcher_->setEvents(DescriptorWatcher::READABLE | (held ? 0 : DescriptorWatcher::WRITABLE));
        }
    } catch (const EndOfFileException &) {
        controlWatcher_->setEvents(0);
    } catch (const std::exception &error) {
        Log::warn("event=instance.control_broken pid={} error=\"{}\"", parts_.pid, error.what());
        controlWatcher_->setEvents(0);
        signal(SIGKILL);
    }
}

/** Whether three quarters of the control socket's buffer are free (unix_writable() in Linux): then
 *  a watcher for WRITABLE calls back, and other frames have room, too. */
bool InstanceLink::isWritable() const {
    return pollUntil(parts_.control.descriptor().get(), POLLOUT, FrameSocket::Deadline::min());
}

/** Each of its threads asks for one channel at a time. */
unsigned InstanceLink::mostFetches() const noexcept {
    return MAX_FRAMES_AT_ONCE + threads_;
}

void InstanceLink::fetch(ChannelId channel) {
    if (held_.size() == mostFetches()) {
        throw ProtocolException("it asks for channels, and reads no answer");
    }
    held_.push_back(channel);
    fetchHeld();
}

void InstanceLink::fetchHeld() {
    while (!held_.empty() && isWritable()) {
        const ChannelId channel = held_.front();
        held_.pop_front();
        frame_(Frame::of(FrameType::FETCH, channel));
    }
}

bool InstanceLink::send(const Frame &frame, const std::vector<int> &descriptors) {
    if (!parts_.control) {
        return true;
    }
    try {
        parts_.control.send(frame, descriptors, FrameSocket::in(std::chrono::milliseconds(0)));
    } catch (const EndOfFileException &) {
        // It is on its way out; its pidfd will tell.
    } catch (const SystemException &error) {
        if (error.error() == ETOOMANYREFS) {
            // Nothing was sent, and the instance has not caused that.
            return false;
        }
        if (error.error() != EPIPE && error.error() != ECONNRESET) {
            Log::warn("event=instance.control_broken pid={} error=\"{}\"", parts_.pid, error.what());
            signal(SIGKILL);
        }
    } catch (const std::exception &error) {
        Log::warn("event=instance.control_full pid={} error=\"{}\" action=kill", parts_.pid, error.what());
        signal(SIGKILL);
    }
    return true;
}

bool InstanceLink::giveChannel(ChannelId channel, int end) {
    if (!send(Frame::of(FrameType::CHANNEL, channel), {end})) {
        return false;
    }
    channels_.insert(channel);
    return true;
}

/**
 * A busy or stopped instance reads nothing. It is told while there is room, and keeps the other
 * channels until it ends.
 */
void InstanceLink::dropChannels(const std::vector<ChannelId> &channels) {
    Frame frame(FrameType::DROP);
    for (const ChannelId channel : channels) {
        if (channels_.erase(channel) > 0) {
            frame.add(channel);
        }
        if (frame.fields.size() == MAX_DROPS) {
            sendIfRoom(std::exchange(frame, Frame(FrameType::DROP)));
        }
    }
    if (!frame.fields.empty()) {
        sendIfRoom(frame);
    }
}

void InstanceLink::sendIfRoom(const Frame &frame) {
    int waiting = 0;
    if (parts_.control && ioctl(parts_.control.descriptor().get(), SIOCOUTQ, &waiting) == 0 && waiting < MAX_UNREAD) {
        send(frame);
    }
}

void InstanceLink::signal(int number) {
    if (parts_.pidFd && parts_.pid > 0) {
        Rights::ofThisProcess().signalOrLog(parts_.pidFd, parts_.pid, number);
    }
}

}  // namespace Passenger
