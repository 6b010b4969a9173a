#include "watchdog/StoredDescriptors.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <utility>

#include <fmt/format.h>

#include "base/DescriptorCloser.h"
#include "base/PidFd.h"
#include "base/SystemClock.h"
#include "log/Log.h"

namespace Passenger {

namespace {

std::size_t bytesOf(const StoreEntry &entry) noexcept {
    return entry.key.size() + entry.note.size();
}

bool isUnixSocket(const FileDescriptor &descriptor) noexcept {
    int domain = 0;
    socklen_t size = sizeof domain;
    return ::getsockopt(descriptor.get(), SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

/** Asks no file system, as fstat() does: it may not answer. */
bool isPipe(const FileDescriptor &descriptor) noexcept {
    return ::fcntl(descriptor.get(), F_GETPIPE_SZ) >= 0;
}

bool isSealedMemory(const FileDescriptor &descriptor) noexcept {
    const int seals = ::fcntl(descriptor.get(), F_GET_SEALS);
    return seals >= 0 && (seals & F_SEAL_SHRINK) != 0;
}

}  // namespace

bool isStorable(const FileDescriptor &descriptor) noexcept {
    return isUnixSocket(descriptor) || isSealedMemory(descriptor) || isPidFd(descriptor) || isPipe(descriptor);
}

bool holdsTooMany(DescriptorSender sender) noexcept {
    const DescriptorCloser *const closer = DescriptorCloser::inUse();
    const std::size_t most = descriptorLimit() / 4;
    return closer != nullptr && closer->heldUp(sender, most) > most;
}

/** @return the limit that the sums exceed; empty: none */
std::string StoredDescriptors::excess(std::size_t descriptors, std::size_t bytes, std::size_t entries) const {
    if (descriptors > limits_.descriptors) {
        return fmt::format("half of the process's descriptors are stored, {}: {}", descriptors_,
                           explainDescriptorLimit());
    }
    if (bytes > limits_.bytes) {
        return fmt::format("{} bytes of keys and notes", bytes);
    }
    return entries > limits_.entries ? fmt::format("{} entries", entries) : "";
}

bool StoredDescriptors::put(StoreEntry entry) {
    const auto found = byKey_.find(entry.key);
    const StoreEntry none;
    const StoreEntry &former = found == byKey_.end() ? none : *found->second;
    const std::size_t descriptors = descriptors_ - former.descriptors.size() + entry.descriptors.size();
    const std::size_t bytes = bytes_ - bytesOf(former) + bytesOf(entry);
    const std::size_t entries = entries_.size() + (found == byKey_.end() ? 1 : 0);
    if (const std::string reason = excess(descriptors, bytes, entries); !reason.empty()) {
        if (lines_.allows(SystemClock::instance().now())) {
            Log::error("event=store.full key=\"{}\" deposits={} reason=\"{}\"", entry.key, size(), reason);
        }
        return false;
    }
    descriptors_ = descriptors;
    bytes_ = bytes;
    if (found != byKey_.end()) {
        *found->second = std::move(entry);
        return true;
    }
    const auto place = entries_.insert(entries_.end(), std::move(entry));
    byKey_.emplace(place->key, place);
    return true;
}

bool StoredDescriptors::remove(const std::string &key) {
    const auto found = byKey_.find(key);
    if (found == byKey_.end()) {
        return false;
    }
    descriptors_ -= found->second->descriptors.size();
    bytes_ -= bytesOf(*found->second);
    entries_.erase(found->second);
    byKey_.erase(found);
    return true;
}

void StoredDescriptors::clear() {
    byKey_.clear();
    entries_.clear();
    descriptors_ = 0;
    bytes_ = 0;
}

}  // namespace Passenger
