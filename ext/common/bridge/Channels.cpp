#include "bridge/Channels.h"

#include <exception>
#include <utility>

#include "base/Exceptions.h"

namespace Passenger::Bridge {

std::optional<ChannelPtr> Channels::find(std::uint64_t id, bool &asked) {
    const auto known = known_.find(id);
    if (known != known_.end()) {
        return known->second;
    }
    if (wanted_.contains(id)) {
        asked = true;
        return std::nullopt;
    }
    if (stopped_ || asked) {
        return nullptr;
    }
    if (wanted_.size() >= MOST_ASKED) {
        return std::nullopt;
    }
    asked = true;
    return ask(id) ? std::nullopt : std::optional<ChannelPtr>(nullptr);
}

bool Channels::ask(std::uint64_t id) {
    try {
        ask_(id);
        wanted_.insert(id);
        return true;
    } catch (const SystemException &error) {
        stopped_ = isGone(error.error());
    } catch (const std::exception &) {
        // There is no room in the socket.
        return false;
    }
    return false;
}

void Channels::add(std::uint64_t id, FileDescriptor end) {
    auto channel = std::make_shared<Channel>();
    channel->id = id;
    channel->end = std::move(end);
    known_[id] = std::move(channel);
    wanted_.erase(id);
}

void Channels::refuse(std::uint64_t id) {
    wanted_.erase(id);
}

void Channels::drop(std::uint64_t id) {
    known_.erase(id);
}

void Channels::forget() {
    known_.clear();
    wanted_.clear();
}

void Channels::stop() {
    stopped_ = true;
    wanted_.clear();
}

}  // namespace Passenger::Bridge
