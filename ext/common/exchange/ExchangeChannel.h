#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/FileDescriptor.h"
#include "exchange/QueueHost.h"
#include "io/ReplyChannel.h"
#include "shm/Layouts.h"

namespace Passenger {

/**
 * The reply channel of an exchange, and the message that was received last.
 *
 * A part of an Exchange, with its thread rules. The host outlives it. Callers use the channel only
 * while there is one.
 */
class ExchangeChannel {
public:
    explicit ExchangeChannel(QueueHost &host) : host_(host) {}

    explicit operator bool() const noexcept { return channel_ != nullptr; }
    ReplyChannel &operator*() const noexcept { return *channel_; }
    ReplyChannel *operator->() const noexcept { return channel_.get(); }

    /** Takes a channel of the host, if there is none. @return false: the link's agent was replaced.
     *  @throws as QueueHost */
    bool open(const QueueLink &link);
    /** Gives the channel back to the host. @param reusable false: the channel is shut down first */
    void giveBack(bool reusable) noexcept;

    /** Receives one message. @return false: no message is there. @throws SystemException,
     *  EndOfFileException, ProtocolException */
    bool receive(std::span<char> buffer, ReplyChannel::Waiting waiting = ReplyChannel::Waiting::NEVER);
    /** The header of the message in the buffer. Its ticket is 0, which is no request's, if the
     *  message is too short. */
    MessageHeader header(std::span<const char> buffer) const noexcept;
    std::span<char> payload(std::span<char> buffer) const noexcept {
        return buffer.subspan(sizeof(MessageHeader), size_ - sizeof(MessageHeader));
    }
    /** Whether the agent has sent the message: its payload begins with the channel's secret. */
    bool isAgents(std::span<char> buffer) const noexcept { return channel_->secret().begins(payload(buffer)); }
    /** The payload of a message of the agent, without the secret. */
    std::span<char> agentsPayload(std::span<char> buffer) const noexcept {
        return payload(buffer).subspan(ChannelSecret::SIZE);
    }
    /** Their number in the last message. */
    std::size_t descriptors() const noexcept { return descriptors_.size(); }
    std::vector<FileDescriptor> takeDescriptors() noexcept { return std::move(descriptors_); }
    /** Drops the message. @throws ProtocolException after more than MAX_DISCARDED dropped bytes */
    void discard();

private:
    QueueHost &host_;
    std::unique_ptr<ReplyChannel> channel_;
    std::size_t size_ = 0;
    std::vector<FileDescriptor> descriptors_;
    /** Bytes of dropped messages. */
    std::size_t discarded_ = 0;
};

}  // namespace Passenger
