#include "watchdog/StoredDescriptors.h"

#include <utility>

namespace Passenger {

bool StoredDescriptors::put(StoreEntry entry) {
    if (const auto found = byKey_.find(entry.key); found != byKey_.end()) {
        *found->second = std::move(entry);
        return true;
    }
    if (entries_.size() >= capacity_) {
        return false;
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
    entries_.erase(found->second);
    byKey_.erase(found);
    return true;
}

void StoredDescriptors::clear() {
    byKey_.clear();
    entries_.clear();
}

}  // namespace Passenger
