#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/Clock.h"
#include "pool/ApplicationQueue.h"
#include "pool/Instances.h"
#include "pool/Versions.h"

namespace Passenger {

/**
 * When the new version of an application has answered its first request after a deployment: a line
 * of the log (`deploy.answered`). It looks at the instances' counts until then, ever less often,
 * for an hour at most.
 *
 * Owned by the Group; guarded by the pool's lock.
 */
class FirstAnswer {
public:
    /** Everything outlives this object. */
    FirstAnswer(const std::string &app, const ApplicationQueue &queue, const Instances &instances,
                const Versions &versions)
        : app_(app), queue_(queue), instances_(instances), versions_(versions) {}

    /** Looks, if it is time, and logs the answer. */
    void look(MonotonicTime now);
    /** When to look next; nothing: no answer is expected. Called soon after a version has taken
     *  over. */
    std::optional<MonotonicTime> nextLook(MonotonicTime now);

private:
    /** When the first answer ended; nothing: there is none yet. */
    std::optional<MonotonicTime> seen(MonotonicTime now) const;

    const std::string &app_;
    const ApplicationQueue &queue_;
    const Instances &instances_;
    const Versions &versions_;
    /** The current one at the last call. */
    std::uint64_t version_ = 0;
    /** When it was first seen to be that. */
    MonotonicTime since_;
    /** The next look; nothing: no answer is expected. */
    std::optional<MonotonicTime> next_;
};

}  // namespace Passenger
