#include "pool/LocalSender.h"

#include "base/Exceptions.h"

namespace Passenger {

/** What the sender remembers of one application. */
class LocalSender::Application final : public QueueCache {
public:
    explicit Application(LocalSender &sender) : sender_(sender), pool_(sender.pool_) {}
    ~Application() override { dropChannels(); }

    InFlightTable &inFlightTable() override { return sender_.inFlightTable_; }
    std::uint32_t childSlot() const override { return sender_.slot_; }
    const GenerationTableView &generations() const override { return sender_.generations_; }
    const Clock &clock() const noexcept override { return pool_.clock(); }
    void wakeAgent() noexcept override { pool_.rescale(); }
    void awaitsAnswer(unsigned /*inFlight*/, unsigned /*capacity*/) noexcept override {}
    void tellOverrun(const QueueLink &link, ChannelId channel, Ticket ticket,
                     std::chrono::milliseconds time) noexcept override {
        pool_.senders().requestOverran(sender_.slot_, link.groupSlot, channel, ticket, time);
    }
    bool tellSlow(const QueueLink &link, ChannelId channel, Ticket ticket,
                  std::chrono::milliseconds time) noexcept override {
        pool_.senders().requestIsSlow(sender_.slot_, link.groupSlot, channel, ticket, time);
        return true;
    }

protected:
    Links attach(const Options &options, Generation unusable) override {
        Attachment attachment = pool_.attach(options, unusable);
        return Links::of(makeLink(attachment.groupSlot, attachment.generation, std::move(attachment.sending),
                                  attachment.claims, attachment.senders),
                         std::move(attachment.ownQueue));
    }
    bool tellOptions(const Options &options) noexcept override { return pool_.takeOptions(options); }
    std::optional<ChannelId> registerChannel(const FileDescriptor &instanceEnd, const QueueLink &link,
                                             const ChannelSecret &secret) override {
        const ChannelId id = pool_.channels().add(instanceEnd.duplicate(), sender_.slot_, link.groupSlot, secret);
        if (!pool_.senders().channelAdded(id, link.groupSlot, link.generation)) {
            pool_.channels().remove(id, sender_.slot_);
            return std::nullopt;
        }
        return id;
    }
    bool unregisterChannels(std::span<const ChannelId> channels) noexcept override {
        pool_.senders().channelsGone(sender_.slot_, channels);
        return true;
    }

private:
    LocalSender &sender_;
    Pool &pool_;
};

LocalSender::LocalSender(Pool &pool)
    : pool_(pool),
      slot_(pool.channels().addSender(InFlightReader(inFlightTable_.memory().descriptor().duplicate()))),
      generations_(pool.channels().generations().memory().descriptor()) {}

LocalSender::~LocalSender() {
    pool_.senders().gone(slot_);
}

QueueHostPtr LocalSender::host(const Options &options) {
    auto found = applications_.find(options);
    if (found == applications_.end()) {
        found = applications_.emplace(options.groupName(), std::make_shared<Application>(*this)).first;
    }
    return found->second;
}

}  // namespace Passenger
