#include "bridge/Channels.h"

#include <exception>
#include <utility>

#include "base/Exceptions.h"

namespace Passenger::Bridge {

ChannelPtr Channels::find(std::uint64_t id) {
    const auto deadline = std::chrono::steady_clock::now() + patience_;
    LockGuard lock(mutex_);
    while (!known_.contains(id) && !wanted_.contains(id) && wanted_.size() >= MOST_ASKED && !stopped_) {
        if (!lock.waitUntil(room_, deadline)) {
            return nullptr;
        }
    }
    if (!known_.contains(id) && !stopped_) {
        const auto [entry, isNew] = wanted_.try_emplace(id);
        if (isNew) {
            entry->second = std::make_shared<Wanted>();
        }
        const WantedPtr wanted = entry->second;
        if (wanted_.size() < MOST_ASKED) {
            // This thread was woken for the room that it may not have needed.
            room_.notify_one();
        }
        if (isNew) {
            ask(id);
        }
        while (!wanted->answered && lock.waitUntil(wanted->news, deadline)) {
            // Woken in vain.
        }
    }
    const auto known = known_.find(id);
    return known == known_.end() ? nullptr : known->second;
}

void Channels::ask(std::uint64_t id) {
    try {
        ask_(id);
    } catch (const SystemException &error) {
        if (isGone(error.error())) {
            end();
        } else {
            answered(id);
        }
    } catch (const std::exception &) {
        end();
    }
}

void Channels::answered(std::uint64_t id) {
    const auto found = wanted_.find(id);
    if (found != wanted_.end()) {
        found->second->answered = true;
        found->second->news.notify_all();
        wanted_.erase(found);
        room_.notify_one();
    }
}

void Channels::answeredAll() {
    for (const auto &[id, wanted] : wanted_) {
        wanted->answered = true;
        wanted->news.notify_all();
    }
    wanted_.clear();
    room_.notify_all();
}

void Channels::add(std::uint64_t id, FileDescriptor end) {
    auto channel = std::make_shared<Channel>();
    channel->id = id;
    channel->end = std::move(end);
    const LockGuard lock(mutex_);
    known_[id] = std::move(channel);
    answered(id);
}

void Channels::refuse(std::uint64_t id) {
    const LockGuard lock(mutex_);
    answered(id);
}

void Channels::drop(std::uint64_t id) {
    const LockGuard lock(mutex_);
    known_.erase(id);
}

void Channels::forget() {
    const LockGuard lock(mutex_);
    known_.clear();
    answeredAll();
}

void Channels::stop() {
    const LockGuard lock(mutex_);
    end();
}

void Channels::end() {
    stopped_ = true;
    answeredAll();
}

}  // namespace Passenger::Bridge
