#pragma once

#include <string>
#include <vector>

#include "pool/DescriptorStore.h"

namespace Passenger {

/** Keeps nothing: for a pool without a watchdog. */
class NoDescriptorStore final : public DescriptorStore {
public:
    void put(const std::string &, const std::string &, const std::vector<int> &) override {}
    void remove(const std::string &) override {}
};

}  // namespace Passenger
