#include "server/CrashRecovery.h"

#include <sys/socket.h>
#include <unistd.h>
#include <sstream>

#include <fmt/format.h>

#include "base/SystemClock.h"
#include "exchange/Options.h"
#include "log/Log.h"
#include "shm/Layouts.h"
#include "spawning/OutputLimit.h"

namespace Passenger {

CrashRecovery::~CrashRecovery() {
    // On the loop: a watcher's destructor waits for a running callback, and the callback needs the
    // map.
    loop_.runSync([this] { instances_.clear(); });
}

void CrashRecovery::restore(const std::string &key, const std::string &note, std::vector<FileDescriptor> descriptors) {
    if (key.starts_with("instance:") && descriptors.size() == 4) {
        restoreInstance(key, note, std::move(descriptors));
        return;
    }
    if (key.starts_with("queue:") && !descriptors.empty()) {
        Log::info("event=queue.closed app=\"{}\" reason=\"the pool process was replaced\"", note);
        ::shutdown(descriptors.front().get(), SHUT_WR);
    }
    store_.remove(key);
}

void CrashRecovery::restoreInstance(const std::string &key, const std::string &note,
                                    std::vector<FileDescriptor> descriptors) {
    Instance instance;
    std::uint32_t slot = 0;
    std::istringstream(note) >> instance.pid >> slot >> instance.firstCell >> instance.cells;
    instance.pidFd = std::move(descriptors[0]);
    instance.control = std::move(descriptors[1]);
    // The application's name and limit are not known any more.
    auto limit = std::make_shared<OutputLimit>(loop_, SystemClock::instance(), fmt::format("pid {}", instance.pid));
    limit->set(Options().maxLogLines);
    instance.output = std::make_shared<ProcessOutput>(loop_, std::move(descriptors[2]), nullptr, std::move(limit));
    instance.output->setPid(instance.pid);
    instance.claims = std::move(descriptors[3]);
    // The instance finishes its requests and ends. The end of its queue alone is not enough: the
    // instance may wait for a channel that no process can send any more.
    ::shutdown(instance.control.get(), SHUT_RDWR);
    Log::notice("event=instance.orphaned pid={} action=\"finishes and ends\"", instance.pid);
    const int pidFd = instance.pidFd.get();
    loop_.runSync([&] {
        Instance &kept = instances_[key] = std::move(instance);
        kept.watcher = std::make_unique<DescriptorWatcher>(loop_, pidFd, DescriptorWatcher::READABLE,
                                                           [this, key](int) { ended(key); });
    });
}

/**
 * Marks the claims of a dead instance: its requests will not be answered. The channels to tell the
 * children are unknown to this process. The cells are not reused.
 */
void CrashRecovery::noteDeath(const Instance &instance, std::uint32_t cell) {
    const auto offset = static_cast<off_t>(ClaimsLayout::offset(cell));
    ClaimCell claim{};
    bool done = ::pread(instance.claims.get(), &claim, sizeof(claim), offset) == sizeof(claim);
    if (done && claim.ticket != 0) {
        claim.channel |= ClaimsLayout::DIED;
        done = ::pwrite(instance.claims.get(), &claim, sizeof(claim), offset) == sizeof(claim);
    }
    if (!done) {
        Log::warn("event=claim.not_marked pid={} cell={}", instance.pid, cell);
    }
}

void CrashRecovery::ended(const std::string &key) {
    const auto found = instances_.find(key);
    if (found == instances_.end()) {
        return;
    }
    const Instance &instance = found->second;
    for (std::uint32_t cell = instance.firstCell;
         cell < instance.firstCell + instance.cells && cell < ClaimsLayout::CELLS; cell++) {
        noteDeath(instance, cell);
    }
    Log::info("event=instance.exited pid={} orphaned=yes", instance.pid);
    instances_.erase(found);
    store_.remove(key);
}

}  // namespace Passenger
