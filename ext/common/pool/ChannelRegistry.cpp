#include "pool/ChannelRegistry.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <set>
#include <utility>

#include "base/Clock.h"
#include "base/DescriptorCloser.h"
#include "base/Exceptions.h"
#include "base/SystemClock.h"
#include "io/ReplyChannel.h"

namespace Passenger {

namespace {

constexpr std::chrono::milliseconds RETRY_INTERVAL{20};
constexpr std::size_t MAX_WAITING = 65536;
constexpr std::size_t MAX_NOTICE = MAX_MESSAGE - sizeof(MessageHeader) - ChannelSecret::SIZE;

}  // namespace

/**
 * Serials begin with the time, at 15,000 a second. So ids of an earlier pool process, which a child
 * may still know, are not given again.
 */
ChannelRegistry::ChannelRegistry(EventLoop &loop)
    : serial_(toNanoseconds(SystemClock::instance().now()) >> 16), retryTimer_(loop, [this] { retry(); }) {}

std::uint32_t ChannelRegistry::childSlots() const {
    const LockGuard guard(mutex_);
    return senders_.empty() ? 0 : senders_.rbegin()->first + 1;
}

void ChannelRegistry::setLimits(const ChildLimits &limits) {
    const LockGuard guard(mutex_);
    limits_ = limits;
}

ChildLimits ChannelRegistry::limits() const {
    const LockGuard guard(mutex_);
    return limits_;
}

std::uint32_t ChannelRegistry::addSender(InFlightReader inFlightTable) {
    const LockGuard guard(mutex_);
    std::uint32_t slot = 0;
    for (const auto &[taken, sender] : senders_) {
        if (taken != slot) {
            break;
        }
        slot++;
    }
    if (slot == MAX_CHILDREN) {
        throw ChildLimitReached("4,096 processes send requests already; the agent allows no more");
    }
    senders_.emplace(slot, Sender{std::move(inFlightTable)});
    generations_.setChildSlots(senders_.rbegin()->first + 1);
    return slot;
}

std::vector<std::pair<ChannelId, std::uint32_t>> ChannelRegistry::removeSender(std::uint32_t childSlot) {
    const LockGuard guard(mutex_);
    std::vector<std::pair<ChannelId, std::uint32_t>> gone;
    for (auto channel = channels_.begin(); channel != channels_.end();) {
        const auto next = std::next(channel);
        if (channel->second.childSlot == childSlot) {
            gone.emplace_back(channel->first, channel->second.groupSlot);
            forget(channel);
        }
        channel = next;
    }
    senders_.erase(childSlot);
    generations_.setChildSlots(senders_.empty() ? 0 : senders_.rbegin()->first + 1);
    return gone;
}

ChannelId ChannelRegistry::add(FileDescriptor instanceEnd, std::uint32_t childSlot, std::uint32_t groupSlot,
                               const ChannelSecret &secret) {
    const LockGuard guard(mutex_);
    const auto sender = senders_.find(childSlot);
    if (sender == senders_.end()) {
        throw IOException("no process has slot " + std::to_string(childSlot));
    }
    if (sender->second.channels >= limits_.channels) {
        throw ChildLimitReached(ChildLimitReached::Limit::CHANNELS, limits_.channels);
    }
    if (sender->second.byGroup.size() >= limits_.apps && !sender->second.byGroup.contains(groupSlot)) {
        throw ChildLimitReached(ChildLimitReached::Limit::APPS, limits_.apps);
    }
    DescriptorSender &application = applications_[groupSlot % GenerationLayout::GROUPS];
    application = application ? application : newDescriptorSender();
    const DescriptorCloser *const closer = DescriptorCloser::inUse();
    // At a reload very many are given up together. They count only if they are not closed soon.
    constexpr std::size_t ANY = std::numeric_limits<std::size_t>::max();
    if (const std::size_t held = closer != nullptr ? closer->heldUp(application, ANY) : 0; held > 0) {
        throw ChildLimitReached("instances of the application hold " + std::to_string(held) +
                                " reply channels that were given up");
    }
    std::uint16_t slot;
    if (unusedSlots_ < SenderMemoryLayout::SLOTS) {
        slot = static_cast<std::uint16_t>(unusedSlots_++);
    } else if (!freeSlots_.empty()) {
        slot = freeSlots_.front();
        freeSlots_.pop_front();
    } else {
        throw ChildLimitReached("65,535 reply channels are open already; the agent allows no more");
    }
    const ChannelId id((++serial_ << 16) | slot);
    channels_.emplace(id, Channel{std::move(instanceEnd), childSlot, groupSlot, secret, application});
    sender->second.channels++;
    sender->second.byGroup[groupSlot]++;
    return id;
}

void ChannelRegistry::forget(std::unordered_map<ChannelId, Channel>::iterator channel) {
    emptyAndClose(std::move(channel->second.end), channel->second.application);
    freeSlots_.push_back(static_cast<std::uint16_t>(channel->first.value() & 0xffff));
    Sender &sender = senders_.at(channel->second.childSlot);
    sender.channels--;
    const auto group = sender.byGroup.find(channel->second.groupSlot);
    if (--group->second == 0) {
        sender.byGroup.erase(group);
    }
    channels_.erase(channel);
}

std::optional<std::uint32_t> ChannelRegistry::remove(ChannelId channel, std::uint32_t childSlot) {
    const LockGuard guard(mutex_);
    const auto found = channels_.find(channel);
    if (found == channels_.end() || found->second.childSlot != childSlot) {
        return std::nullopt;
    }
    const std::uint32_t groupSlot = found->second.groupSlot;
    forget(found);
    return groupSlot;
}

std::size_t ChannelRegistry::count(std::uint32_t childSlot) const {
    const LockGuard guard(mutex_);
    const auto sender = senders_.find(childSlot);
    return sender == senders_.end() ? 0 : sender->second.channels;
}

std::size_t ChannelRegistry::countOfGroup(std::uint32_t groupSlot) const {
    const LockGuard guard(mutex_);
    std::size_t channels = 0;
    for (const auto &[slot, sender] : senders_) {
        const auto group = sender.byGroup.find(groupSlot);
        channels += group == sender.byGroup.end() ? 0 : group->second;
    }
    return channels;
}

void ChannelRegistry::askForIdleChannels() {
    const LockGuard guard(mutex_);
    generations_.askForIdleChannels();
}

bool ChannelRegistry::owns(std::uint32_t childSlot, ChannelId channel, std::uint32_t groupSlot) const {
    const LockGuard guard(mutex_);
    const auto found = channels_.find(channel);
    return found != channels_.end() && found->second.childSlot == childSlot && found->second.groupSlot == groupSlot;
}

bool ChannelRegistry::hasChannels(std::uint32_t groupSlot) const {
    return countOfGroup(groupSlot) > 0;
}

bool ChannelRegistry::lend(ChannelId channel, std::uint32_t groupSlot, const std::function<void(int end)> &use) {
    const LockGuard guard(mutex_);
    const auto found = channels_.find(channel);
    if (found == channels_.end() || found->second.groupSlot != groupSlot) {
        return false;
    }
    use(found->second.end.get());
    return true;
}

std::vector<InFlightEntry> ChannelRegistry::inFlight(std::uint32_t groupSlot) {
    const LockGuard guard(mutex_);
    std::vector<InFlightEntry> all;
    for (const auto &[slot, sender] : senders_) {
        if (sender.inFlightTable) {
            for (const InFlightEntry &entry : sender.inFlightTable.inFlight(groupSlot)) {
                if (isOf(slot, entry.channel, groupSlot)) {
                    all.push_back(entry);
                }
            }
        }
    }
    return all;
}

bool ChannelRegistry::awaitsAll(const std::vector<std::pair<ChannelId, Ticket>> &requests) {
    const LockGuard guard(mutex_);
    std::set<std::pair<ChannelId, Ticket>> awaited;
    for (const auto &[slot, sender] : senders_) {
        if (sender.inFlightTable) {
            for (const InFlightEntry &entry : sender.inFlightTable.inFlight()) {
                awaited.emplace(entry.channel, entry.ticket);
            }
        }
    }
    return std::all_of(requests.begin(), requests.end(), [&](const auto &each) { return awaited.contains(each); });
}

std::vector<DescribedRequest> ChannelRegistry::described(std::uint32_t groupSlot) {
    const LockGuard guard(mutex_);
    std::vector<DescribedRequest> all;
    for (const auto &[slot, sender] : senders_) {
        if (sender.inFlightTable) {
            for (DescribedRequest &request : sender.inFlightTable.described(groupSlot)) {
                if (isOf(slot, request.entry.channel, groupSlot)) {
                    all.push_back(std::move(request));
                }
            }
        }
    }
    return all;
}

/** A sender's table has no authority over channels of other senders. And with one channel a sender
 *  cannot have requests of all applications. */
bool ChannelRegistry::isOf(std::uint32_t childSlot, std::uint64_t channel, std::uint32_t groupSlot) const {
    const auto found = channels_.find(ChannelId(channel));
    return found != channels_.end() && found->second.childSlot == childSlot && found->second.groupSlot == groupSlot;
}

bool ChannelRegistry::tell(ChannelId channel, Ticket ticket, std::uint32_t groupSlot, MessageType type,
                           std::uint16_t status, const std::string &reportId, const std::string &text) {
    Notice notice{channel, {}, (reportId + text).substr(0, MAX_NOTICE)};
    notice.header.ticket = ticket.value();
    notice.header.type = type;
    notice.header.flags = LAST;
    notice.header.status = status;
    notice.header.headLength = static_cast<std::uint32_t>(reportId.size());

    const LockGuard guard(mutex_);
    const auto found = channels_.find(channel);
    if (found == channels_.end() || found->second.groupSlot != groupSlot || deliver(notice)) {
        return true;
    }
    if (waiting_.size() < MAX_WAITING) {
        if (waiting_.empty()) {
            retryTimer_.start(RETRY_INTERVAL);
        }
        waiting_.push_back(std::move(notice));
    }
    return false;
}

/** True: told, or the sender is gone. */
bool ChannelRegistry::deliver(const Notice &notice) {
    const auto found = channels_.find(notice.channel);
    return found == channels_.end() ||
           notifyChannel(found->second.end, notice.header, std::string(found->second.secret.bytes()) + notice.payload);
}

void ChannelRegistry::retry() {
    const LockGuard guard(mutex_);
    std::deque<Notice> still;
    for (Notice &notice : waiting_) {
        if (!deliver(notice)) {
            still.push_back(std::move(notice));
        }
    }
    waiting_.swap(still);
    if (!waiting_.empty()) {
        retryTimer_.start(RETRY_INTERVAL);
    }
}

}  // namespace Passenger
