#pragma once

#include <cstdint>
#include <string>

#include "base/Clock.h"
#include "pool/Snapshot.h"

namespace Passenger {

/** How often an application was restarted, and why the last time. Owned by its Group, guarded by
 *  the pool's lock. */
class Restarts {
public:
    /** A restart begins. Logs it. */
    void note(const std::string &app, const std::string &reason, MonotonicTime now);
    void tell(GroupSnapshot &snapshot, MonotonicTime now) const;

private:
    std::uint64_t count_ = 0;
    std::string reason_;
    MonotonicTime last_{};
};

}  // namespace Passenger
