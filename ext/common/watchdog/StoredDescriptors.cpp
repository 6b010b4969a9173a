#include "watchdog/StoredDescriptors.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <utility>

#include "base/DescriptorCloser.h"
#include "base/PidFd.h"

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

bool StoredDescriptors::put(StoreEntry entry) {
    const auto found = byKey_.find(entry.key);
    const StoreEntry none;
    const StoreEntry &former = found == byKey_.end() ? none : *found->second;
    const std::size_t descriptors = descriptors_ - former.descriptors.size() + entry.descriptors.size();
    const std::size_t bytes = bytes_ - bytesOf(former) + bytesOf(entry);
    const std::size_t entries = entries_.size() + (found == byKey_.end() ? 1 : 0);
    if (descriptors > limits_.descriptors || bytes > limits_.bytes || entries > limits_.entries) {
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
