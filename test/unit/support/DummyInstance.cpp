#include "support/DummyInstance.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <utility>

#include "base/Exceptions.h"
#include "io/RequestQueue.h"
#include "io/Serve.h"

namespace Passenger {

namespace {

constexpr std::chrono::seconds CONTROL_LIMIT{60};
constexpr std::uint16_t NO_CONTENT = 204;

/** Whether nothing is in the queue, and nothing can come. */
bool ended(int queue) noexcept {
    char byte = 0;
    return RequestQueue::closed(queue) && ::recv(queue, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

}  // namespace

DummyInstance::DummyInstance(FrameSocket control, FileDescriptor life, const Clock &clock, Ready ready)
    : clock_(clock),
      control_(std::move(control)),
      life_(std::move(life)),
      saysReady_(ready == Ready::WHEN_TOLD_TO_SERVE),
      buffer_(MAX_MESSAGE) {
    if (ready == Ready::AT_ONCE) {
        tell(Frame(FrameType::READY));
    }
}

// ----- The control socket

void DummyInstance::listen() {
    try {
        while (alive()) {
            std::optional<Frame> frame = control_.tryReceive();
            if (!frame) {
                break;
            }
            handle(std::move(*frame));
        }
    } catch (const std::exception &) {
        // The agent has closed the control socket.
        die();
    }
    endIfFinished();
}

void DummyInstance::handle(Frame frame) {
    switch (frame.type) {
        case FrameType::SERVE: serve(frame); break;
        case FrameType::CHANNEL: channels_.insert_or_assign(ChannelId(frame.number(0)), frame.takeDescriptor(0)); break;
        case FrameType::NO_CHANNEL: unknown_ = ChannelId(frame.number(0)); break;
        case FrameType::DROP:
            for (std::size_t i = 0; i < frame.fields.size(); i++) {
                channels_.erase(ChannelId(frame.number(i)));
            }
            break;
        case FrameType::PAUSE: pause(frame); break;
        case FrameType::FINISH: finishing_ = true; break;
        default: break;
    }
}

void DummyInstance::serve(Frame &frame) {
    const Serve said = Serve::of(frame);
    firstCell_ = static_cast<std::uint32_t>(said.cell);
    threads_.resize(said.threads);
    maxRequests_ = said.maxRequests;
    stickyId_ = said.stickyId;
    paused_ = said.paused;
    queue_ = frame.takeDescriptor(0);
    memory_.emplace(frame.takeDescriptor(1), frame.takeDescriptor(2));
    if (stickyId_ != 0) {
        ownQueue_ = frame.takeDescriptor(3);
    }
    if (saysReady_) {
        tell(Frame(FrameType::READY));
    }
}

void DummyInstance::pause(const Frame &frame) {
    paused_ = frame.number(0) != 0;
    owesPause_ = paused_;
    tellIfPaused();
}

void DummyInstance::tellIfPaused() {
    if (owesPause_ && idle()) {
        owesPause_ = false;
        tell(Frame(FrameType::PAUSE, {"1"}));
    }
}

void DummyInstance::tell(const Frame &frame) {
    news_ = true;
    control_.send(frame, FrameSocket::in(CONTROL_LIMIT));
}

void DummyInstance::endIfFinished() noexcept {
    if (finishing_ && idle()) {
        die();
    }
}

void DummyInstance::die() noexcept {
    control_ = FrameSocket();
    queue_.reset();
    ownQueue_.reset();
    channels_.clear();
    std::fill(threads_.begin(), threads_.end(), std::nullopt);
    life_.reset();
}

// ----- Requests

std::optional<unsigned> DummyInstance::take() {
    const auto free =
        std::find_if(threads_.begin(), threads_.end(), [](const auto &request) { return !request.has_value(); });
    if (free == threads_.end()) {
        return std::nullopt;
    }
    const auto thread = static_cast<unsigned>(free - threads_.begin());
    try {
        while (alive() && !paused_ && !finishing_ && receiveAny()) {
            RequestHeader header{};
            std::memcpy(&header, buffer_.data(), sizeof(header));
            const Request request{ChannelId(header.channel), Ticket(header.ticket),
                                  std::string(buffer_.data() + sizeof(header), size_ - sizeof(header)),
                                  static_cast<std::uint32_t>((toNanoseconds(clock_.now()) - header.sentAt) / 1000)};
            if (fetch(request.channel) < 0) {
                continue;
            }
            InstanceClaim claim = this->claim(thread);
            if (claim.take(request.channel, request.ticket)) {
                threads_[thread] = request;
                return thread;
            }
            reply(request, MessageType::SKIPPED, 0);
            claim.clear();
        }
    } catch (const std::exception &) {
        die();
    }
    endIfFinished();
    return std::nullopt;
}

/** A message into the buffer, of the instance's own queue first. */
bool DummyInstance::receiveAny() {
    if (ownQueue_ && receive(ownQueue_.get())) {
        return true;
    }
    if (queue_ && receive(queue_.get())) {
        return true;
    }
    finishing_ = queue_ && ended(queue_.get());
    return false;
}

bool DummyInstance::receive(int queue) {
    const ssize_t size = ::recv(queue, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (size < static_cast<ssize_t>(sizeof(RequestHeader))) {
        return false;
    }
    size_ = static_cast<std::size_t>(size);
    return true;
}

/** The instance's end of the reply channel; -1: its sender is gone. */
int DummyInstance::fetch(ChannelId channel) {
    if (!channels_.contains(channel)) {
        tell(Frame::of(FrameType::FETCH, channel));
        while (!channels_.contains(channel) && unknown_ != channel) {
            handle(control_.receive(FrameSocket::in(CONTROL_LIMIT)));
        }
        unknown_ = ChannelId();
    }
    const auto found = channels_.find(channel);
    return found == channels_.end() ? -1 : found->second.get();
}

InstanceClaim DummyInstance::claim(unsigned thread) const noexcept {
    return {*memory_, cell(thread)};
}

const DummyInstance::Request *DummyInstance::at(unsigned thread) const noexcept {
    return thread < threads_.size() && threads_[thread] ? &*threads_[thread] : nullptr;
}

void DummyInstance::answer(unsigned thread) {
    const Request request = *std::exchange(threads_[thread], std::nullopt);
    try {
        reply(request, MessageType::RESPONSE, NO_CONTENT);
        claim(thread).complete(clock_.now());
        if (++answered_ == maxRequests_) {
            tell(Frame(FrameType::LIMIT_REACHED));
        }
        tellIfPaused();
    } catch (const std::exception &) {
        die();
    }
}

void DummyInstance::reply(const Request &request, MessageType type, std::uint16_t status) {
    const bool responds = type == MessageType::RESPONSE;
    const MessageHeader header{request.ticket.value(),  type, LAST, status, 0, responds ? request.queued : 0,
                               responds ? stickyId_ : 0};
    const auto channel = channels_.find(request.channel);
    if (channel == channels_.end()) {
        return;
    }
    if (::send(channel->second.get(), &header, sizeof(header), MSG_NOSIGNAL) < 0) {
        // The sender has shut the channel down.
        channels_.erase(channel);
    }
}

bool DummyInstance::idle() const noexcept {
    return std::none_of(threads_.begin(), threads_.end(), [](const auto &request) { return request.has_value(); });
}

void DummyInstance::await() const {
    const bool takes = !paused_ && !finishing_;
    const bool own = takes && ownQueue_ && !ended(ownQueue_.get());
    pollfd entries[3] = {{control_.descriptor().get(), POLLIN, 0},
                         {takes && queue_ ? queue_.get() : -1, POLLIN, 0},
                         {own ? ownQueue_.get() : -1, POLLIN, 0}};
    ::poll(entries, 3, -1);
}

}  // namespace Passenger
