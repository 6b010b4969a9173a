#include "server/Children.h"

#include "base/Exceptions.h"
#include "base/PidFd.h"
#include "log/Log.h"

namespace Passenger {

Children::~Children() {
    // On the loop: a watcher's destructor waits for a running callback, and the callback needs the
    // map.
    loop_.runSync([this] {
        loop_.assertOnLoop();
        children_.clear();
    });
}

std::uint32_t Children::introduce(pid_t pid, FileDescriptor inFlightTable) {
    const auto known = children_.find(pid);
    if (known != children_.end()) {
        if (!waitPidFd(known->second.pidFd, std::chrono::milliseconds(0))) {
            return known->second.slot;
        }
        // The kernel gave the pid to another process before the loop handled the child's end.
        ended(pid);
    }
    FileDescriptor pidFd = openPidFd(pid);
    const std::uint32_t slot = pool_.channels().addSender(InFlightReader(std::move(inFlightTable)));
    auto watcher =
        std::make_unique<DescriptorWatcher>(loop_, pidFd.get(), DescriptorWatcher::READABLE, [this, pid](int) {
            loop_.assertOnLoop();
            ended(pid);
        });
    children_.emplace(pid, Child{slot, std::move(pidFd), std::move(watcher), configuration_});
    Log::debug("event=child.connected pid={} slot={}", pid, slot);
    return slot;
}

void Children::opened(pid_t pid) {
    Child &child = children_.at(pid);
    if (const unsigned most = pool_.channels().limits().connections; child.connections >= most) {
        throw ChildLimitReached(ChildLimitReached::Limit::CONNECTIONS, most);
    }
    child.connections++;
}

void Children::closed(pid_t pid, std::uint32_t slot) {
    const auto child = children_.find(pid);
    if (child != children_.end() && child->second.slot == slot) {
        child->second.connections--;
    }
}

std::uint64_t Children::configurationOf(pid_t pid) const {
    const auto child = children_.find(pid);
    return child == children_.end() ? 0 : child->second.configuration;
}

bool Children::has(pid_t pid, std::uint32_t slot) const {
    const auto child = children_.find(pid);
    return child != children_.end() && child->second.slot == slot;
}

void Children::ended(pid_t pid) {
    const auto child = children_.find(pid);
    if (child == children_.end()) {
        return;
    }
    const std::uint32_t slot = child->second.slot;
    children_.erase(child);
    pool_.senders().gone(slot);
    Log::debug("event=child.ended pid={} slot={}", pid, slot);
}

}  // namespace Passenger
