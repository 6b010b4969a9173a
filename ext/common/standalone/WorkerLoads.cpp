#include "standalone/WorkerLoads.h"

#include <cstdint>

namespace Passenger {

namespace {

constexpr pid_t NOBODY = 0;
constexpr std::size_t PLACE_SIZE = 1 + sizeof(std::uint32_t);

}  // namespace

WorkerLoads::WorkerLoads(std::size_t places)
    : places_(places), memory_("passenger.worker_loads", places * PLACE_SIZE) {}

void WorkerLoads::enter(pid_t pid) {
    if (const auto offset = find(NOBODY); offset < memory_.size()) {
        memory_.writeU32(static_cast<std::uint32_t>(pid), offset);
    }
}

void WorkerLoads::leave(pid_t pid) {
    if (const auto offset = find(pid); offset < memory_.size()) {
        const std::uint8_t nothing = 0;
        memory_.write(&nothing, sizeof nothing, (offset - places_) / sizeof(std::uint32_t));
        memory_.writeU32(NOBODY, offset);
    }
}

std::size_t WorkerLoads::find(pid_t pid) const {
    std::size_t offset = places_;
    while (offset < memory_.size() && memory_.readU32(offset) != static_cast<std::uint32_t>(pid)) {
        offset += sizeof(std::uint32_t);
    }
    return offset;
}

}  // namespace Passenger
