#include "bridge/Channels.h"

#include <exception>
#include <utility>

namespace Passenger::Bridge {

ChannelPtr Channels::find(std::uint64_t id) {
    LockGuard lock(mutex_);
    if (!known_.contains(id) && !stopped_ && wanted_.try_emplace(id, Wanted::ASKED).second) {
        try {
            ask_(id);
        } catch (const std::exception &) {
            stopped_ = true;
        }
    }
    for (;;) {
        if (const auto known = known_.find(id); known != known_.end()) {
            return known->second;
        }
        const auto wanted = wanted_.find(id);
        if (stopped_ || wanted == wanted_.end() || wanted->second == Wanted::REFUSED) {
            wanted_.erase(id);
            return nullptr;
        }
        lock.wait(news_);
    }
}

void Channels::add(std::uint64_t id, FileDescriptor end) {
    auto channel = std::make_shared<Channel>();
    channel->id = id;
    channel->end = std::move(end);
    const LockGuard lock(mutex_);
    known_[id] = std::move(channel);
    wanted_.erase(id);
    news_.notify_all();
}

void Channels::refuse(std::uint64_t id) {
    const LockGuard lock(mutex_);
    if (const auto wanted = wanted_.find(id); wanted != wanted_.end()) {
        wanted->second = Wanted::REFUSED;
    }
    news_.notify_all();
}

void Channels::drop(std::uint64_t id) {
    const LockGuard lock(mutex_);
    known_.erase(id);
}

void Channels::forget() {
    const LockGuard lock(mutex_);
    known_.clear();
    for (auto &[id, wanted] : wanted_) {
        wanted = Wanted::REFUSED;
    }
    news_.notify_all();
}

void Channels::stop() {
    const LockGuard lock(mutex_);
    stopped_ = true;
    news_.notify_all();
}

}  // namespace Passenger::Bridge
