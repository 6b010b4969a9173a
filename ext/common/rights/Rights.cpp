#include "rights/Rights.h"

#include <atomic>

#include "rights/OwnRights.h"

namespace Passenger {

namespace {

OwnRights ownRights;
std::atomic<Rights *> inUse = &ownRights;

}  // namespace

Options::Variables claimOf(const Options &options) {
    Options plain = options;
    plain.variables = nullptr;
    return plain.toMap();
}

const char *fileName(RestartFile file) noexcept {
    return file == RestartFile::RESTART ? "restart.txt" : "always_restart.txt";
}

Rights &Rights::ofThisProcess() noexcept {
    return *inUse.load(std::memory_order_acquire);
}

void Rights::use(Rights *rights) noexcept {
    inUse.store(rights != nullptr ? rights : &ownRights, std::memory_order_release);
}

}  // namespace Passenger
