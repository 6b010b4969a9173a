#include "pool/LocalQueueHost.h"

#include "base/Exceptions.h"

namespace Passenger {

LocalSender::LocalSender(Pool &pool)
    : pool_(pool),
      slot_(pool.channels().addSender(BoardReader(board_.memory().descriptor().duplicate()))),
      generations_(pool.channels().generations().memory().descriptor()) {}

LocalSender::~LocalSender() {
    pool_.senderGone(slot_);
}

QueueHostPtr LocalSender::host(Pool &pool, const Options &options) {
    return std::make_shared<LocalQueueHost>(std::make_shared<LocalSender>(pool), options);
}

QueueLinkPtr LocalQueueHost::attach(Generation unusable) {
    Attachment attachment = sender_->pool_.attach(options_, unusable);
    auto link = std::make_shared<QueueLink>();
    link->groupSlot = attachment.groupSlot;
    link->generation = attachment.generation;
    link->sending = std::move(attachment.sending);
    link->memory = std::make_shared<GroupMemory>(GroupMemory{ClaimsView(attachment.claims), MarksView(attachment.marks)});
    return link;
}

ChannelId LocalQueueHost::registerChannel(const FileDescriptor &instanceEnd, std::uint32_t groupSlot) {
    const ChannelId id = sender_->pool_.channels().add(instanceEnd.duplicate(), sender_->slot_, groupSlot);
    sender_->pool_.channelAdded(id, groupSlot);
    return id;
}

void LocalQueueHost::unregisterChannel(ChannelId channel) noexcept {
    if (const std::optional<std::uint32_t> group = sender_->pool_.channels().remove(channel, sender_->slot_)) {
        sender_->pool_.channelGone(channel, *group);
    }
}

void LocalQueueHost::wakeAgent() noexcept {
    sender_->pool_.rescale();
}

}  // namespace Passenger
