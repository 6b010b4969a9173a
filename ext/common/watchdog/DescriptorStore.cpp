#include "watchdog/DescriptorStore.h"

#include <utility>

namespace Passenger {

bool DescriptorStore::put(Deposit deposit) {
    if (const auto found = byKey_.find(deposit.key); found != byKey_.end()) {
        *found->second = std::move(deposit);
        return true;
    }
    if (deposits_.size() >= capacity_) {
        return false;
    }
    const auto place = deposits_.insert(deposits_.end(), std::move(deposit));
    byKey_.emplace(place->key, place);
    return true;
}

bool DescriptorStore::withdraw(const std::string &key) {
    const auto found = byKey_.find(key);
    if (found == byKey_.end()) {
        return false;
    }
    deposits_.erase(found->second);
    byKey_.erase(found);
    return true;
}

void DescriptorStore::clear() {
    byKey_.clear();
    deposits_.clear();
}

}  // namespace Passenger
