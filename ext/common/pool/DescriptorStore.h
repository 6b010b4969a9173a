#pragma once

#include <string>
#include <vector>

namespace Passenger {

/**
 * Keeps copies of descriptors that must outlive a crash of the pool process (the watchdog has
 * them). Thread-safe; never blocks.
 */
class DescriptorStore {
public:
    virtual ~DescriptorStore() = default;
    /** Leaves copies under `key`, replacing what was there. */
    virtual void put(const std::string &key, const std::string &note, const std::vector<int> &descriptors) = 0;
    virtual void remove(const std::string &key) = 0;
};

}  // namespace Passenger
