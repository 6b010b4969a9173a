#include "standalone/WorkerLoads.h"

namespace Passenger {

namespace {

using Pid = std::uint32_t;

constexpr pid_t NOBODY = 0;
/** The size of a CPU slot, in bytes. */
constexpr std::size_t SLOT = 1;
constexpr std::uint8_t SILENT = 0;
constexpr std::uint8_t NOTHING_WAITS = 1;

}  // namespace

WorkerLoads::WorkerLoads(std::size_t places)
    : places_(places), memory_("passenger.worker_loads", places * (sizeof(std::uint8_t) + sizeof(Pid) + SLOT) + SLOT) {}

void WorkerLoads::enter(pid_t pid) {
    if (const auto place = find(NOBODY); place < places_) {
        // From the moment when the worker finds its pid, it writes the byte itself.
        setByte(place, NOTHING_WAITS);
        memory_.writeU32(static_cast<Pid>(pid), offsetOfPid(place));
    }
}

void WorkerLoads::leave(pid_t pid) {
    if (const auto place = find(pid); place < places_) {
        setByte(place, SILENT);
        memory_.writeU32(NOBODY, offsetOfPid(place));
    }
}

std::size_t WorkerLoads::find(pid_t pid) const {
    std::size_t place = 0;
    while (place < places_ && memory_.readU32(offsetOfPid(place)) != static_cast<Pid>(pid)) {
        place++;
    }
    return place;
}

std::size_t WorkerLoads::offsetOfPid(std::size_t place) const noexcept {
    return places_ + place * sizeof(Pid);
}

void WorkerLoads::setByte(std::size_t place, std::uint8_t value) {
    memory_.write(&value, sizeof value, place);
}

}  // namespace Passenger
