#include "pool/LocalSender.h"

#include "base/Exceptions.h"

namespace Passenger {

namespace {

/** A session's host that owns the options it refers to. */
struct OwningHost {
    OwningHost(Pool &pool, const Options &given) : options(given), host(std::make_shared<LocalSender>(pool), options) {}

    Options options;
    SessionHost host;
};

}  // namespace

QueueHostPtr LocalSender::host(Pool &pool, const Options &options) {
    const auto owning = std::make_shared<OwningHost>(pool, options);
    return QueueHostPtr(owning, &owning->host);
}

LocalSender::LocalSender(Pool &pool)
    : pool_(pool),
      slot_(pool.channels().addSender(InFlightReader(inFlightTable_.memory().descriptor().duplicate()))),
      generations_(pool.channels().generations().memory().descriptor()) {}

LocalSender::~LocalSender() {
    dropChannels();
    pool_.senderGone(slot_);
}

Links LocalSender::attach(const Options &options, Generation unusable) {
    Attachment attachment = pool_.attach(options, unusable);
    return Links::of(makeLink(attachment.groupSlot, attachment.generation, std::move(attachment.sending),
                              attachment.claims, attachment.senders),
                     std::move(attachment.ownQueue));
}

std::optional<ChannelId> LocalSender::registerChannel(const FileDescriptor &instanceEnd, std::uint32_t groupSlot) {
    const ChannelId id = pool_.channels().add(instanceEnd.duplicate(), slot_, groupSlot);
    pool_.channelAdded(id, groupSlot);
    return id;
}

bool LocalSender::unregisterChannels(std::span<const ChannelId> channels) noexcept {
    pool_.channelsGone(slot_, channels);
    return true;
}

void LocalSender::overran(std::uint32_t groupSlot, ChannelId channel, Ticket ticket,
                          std::chrono::milliseconds time) noexcept {
    pool_.requestOverran(slot_, groupSlot, channel, ticket, time);
}

void LocalSender::wakeAgent() noexcept {
    pool_.rescale();
}

}  // namespace Passenger
