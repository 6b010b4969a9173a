#include "client/AppLink.h"

#include <exception>

#include "base/Exceptions.h"

namespace Passenger {

namespace {

[[noreturn]] void throwRefusal(const Frame &answer) {
    throw RefusedException(static_cast<std::uint16_t>(answer.number(0)), answer.field(1), answer.field(2));
}

}  // namespace

Links AppLink::attach(const Options &options, Generation unusable) {
    Frame answer = client_.ask(Frame::of(FrameType::ATTACH, unusable, options.toMap()));
    if (answer.type == FrameType::REFUSED) {
        throwRefusal(answer);
    }
    answer.expect(FrameType::ATTACHED, "the agent answered ATTACH with an unexpected frame");
    const auto slot = static_cast<std::uint32_t>(answer.number(0));
    if (slot >= GenerationLayout::GROUPS) {
        throw ProtocolException("the agent named a group slot that is out of range");
    }
    FileDescriptor sending = answer.takeDescriptor(0);
    const FileDescriptor claims = answer.takeDescriptor(1);
    const FileDescriptor senders = answer.takeDescriptor(2);
    FileDescriptor ownQueue = answer.descriptors.size() > 3 ? answer.takeDescriptor(3) : FileDescriptor();
    return Links::of(makeLink(slot, Generation(answer.number(1)), std::move(sending), claims, senders),
                     std::move(ownQueue));
}

bool AppLink::tellOptions(const Options &options) noexcept {
    try {
        return client_.tell(Frame::of(FrameType::OPTIONS, options.toMap()));
    } catch (const std::bad_alloc &) {
        return false;
    }
}

std::optional<ChannelId> AppLink::registerChannel(const FileDescriptor &instanceEnd, const QueueLink &link,
                                                  const ChannelSecret &secret) {
    const Frame answer = client_.ask(Frame::of(FrameType::REGISTER, link.groupSlot, link.generation, secret.bytes()),
                                     {instanceEnd.get()});
    if (answer.type == FrameType::REFUSED) {
        if (answer.number(0) == NO_SUCH_SLOT) {
            return std::nullopt;
        }
        throw DescriptorShortageException(answer.field(2));
    }
    answer.expect(FrameType::REGISTERED, "the agent answered REGISTER with an unexpected frame");
    return ChannelId(answer.number(0));
}

bool AppLink::tellSlow(const QueueLink &link, ChannelId channel, Ticket ticket,
                       std::chrono::milliseconds time) noexcept {
    try {
        return client_.tell(Frame::of(FrameType::SLOW, link.groupSlot, channel, ticket, time.count()));
    } catch (const std::bad_alloc &) {
        return false;
    }
}

void AppLink::tellOverrun(const QueueLink &link, ChannelId channel, Ticket ticket,
                          std::chrono::milliseconds time) noexcept {
    try {
        // The frame has an answer, so the agent has looked before this process drops the channel.
        client_.ask(Frame::of(FrameType::OVERRAN, link.groupSlot, channel, ticket, time.count()));
    } catch (const std::exception &) {
        // The agent has ended. The next agent tells its instances to finish, and kills those that
        // hang.
        return;
    }
}

bool AppLink::unregisterChannels(std::span<const ChannelId> channels) noexcept {
    try {
        Frame frame(FrameType::UNREGISTER);
        for (const ChannelId channel : channels) {
            frame.add(channel);
        }
        return client_.tell(frame);
    } catch (const std::bad_alloc &) {
        return false;
    }
}

}  // namespace Passenger
