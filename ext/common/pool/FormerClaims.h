#pragma once

#include <utility>
#include <vector>

#include "base/FileDescriptor.h"
#include "base/StrongId.h"
#include "pool/ApplicationQueue.h"

namespace Passenger {

/**
 * The cells of one instance in the claims of pool processes that have ended. The instance may still
 * work at requests that it took then. The children look at these claims for their answers.
 *
 * Shared by the instance's Process and Orphans. Not changed after it was shared, so any thread may
 * call it. Reads by system call, and writes by a ClaimsWriter: the instance is not trusted.
 */
class FormerClaims {
public:
    struct Part {
        FileDescriptor claims;
        CellRange cells;
    };

    void add(Part part) { parts_.push_back(std::move(part)); }
    const std::vector<Part> &parts() const noexcept { return parts_; }
    /** How many requests the instance works at. */
    unsigned taken() const;
    /** The requests that the instance works at. */
    std::vector<std::pair<ChannelId, Ticket>> claimed() const;
    /** The instance has ended: children learn from the claims that no answer comes. @param killed
     *  this process is about to kill it, or has done so: its requests must not run again */
    void noteDeath(bool killed) const;
    /** The parts in which there are claims. */
    std::vector<const Part *> inUse() const;

private:
    std::vector<Part> parts_;
};

}  // namespace Passenger
