#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/FileDescriptor.h"
#include "shm/Layouts.h"
#include "shm/SharedMemory.h"

namespace Passenger {

/** A request in flight, as its child describes it: any text. Empty: not described. */
struct DescribedRequest {
    InFlightEntry entry{};
    std::string client;
    std::string method;
    std::string id;
    /** Perhaps cut. */
    std::string uri;
};

/**
 * A child's InFlightTable as the agent reads it: by system call, because the child is not trusted.
 * Guarded by its owner.
 */
class InFlightReader {
public:
    InFlightReader() = default;
    /** @throws ProtocolException when the file is not sealed or has another size */
    explicit InFlightReader(FileDescriptor fd);
    /** The requests of all Groups that are being sent or were sent. */
    std::vector<InFlightEntry> inFlight() const;
    /** The requests of this Group that are being sent or were sent. */
    std::vector<InFlightEntry> inFlight(std::uint32_t groupSlot) const;
    /** The requests of this Group with their descriptions. Reads more memory. */
    std::vector<DescribedRequest> described(std::uint32_t groupSlot) const;
    explicit operator bool() const noexcept { return static_cast<bool>(memory_); }

private:
    std::vector<InFlightEntry> used() const;
    static DescribedRequest describe(const InFlightEntry &entry, const RequestNote &note);

    SharedMemory memory_;
};

}  // namespace Passenger
