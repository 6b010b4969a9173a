#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "base/FileDescriptor.h"
#include "base/Mutex.h"

namespace Passenger::Bridge {

/** The instance's end of a reply channel. Shared with the agent, so its flags are left alone. */
struct Channel {
    std::uint64_t id = 0;
    FileDescriptor end;
};
using ChannelPtr = std::shared_ptr<const Channel>;

/**
 * The reply channels that this instance has met. Workers look them up; whoever reads the control socket brings those that were asked
 * for. A channel that is dropped is closed when its exchange is over. Thread-safe.
 */
class Channels {
public:
    /** @param ask sends FETCH; throws where nobody is there any more */
    explicit Channels(std::function<void(std::uint64_t)> ask) : ask_(std::move(ask)) {}

    /** Waits for one that is new. Null: its child is gone, or the agent. */
    ChannelPtr find(std::uint64_t id) EXCLUDES(mutex_);
    void add(std::uint64_t id, FileDescriptor end) EXCLUDES(mutex_);
    /** There is no such channel. */
    void refuse(std::uint64_t id) EXCLUDES(mutex_);
    void drop(std::uint64_t id) EXCLUDES(mutex_);
    /** Nobody will bring channels any more. */
    void stop() EXCLUDES(mutex_);

private:
    enum class Wanted { ASKED, REFUSED };

    const std::function<void(std::uint64_t)> ask_;
    Mutex mutex_{Locks::BRIDGE_CHANNELS};
    std::condition_variable news_;
    std::map<std::uint64_t, ChannelPtr> known_ GUARDED_BY(mutex_);
    std::map<std::uint64_t, Wanted> wanted_ GUARDED_BY(mutex_);
    bool stopped_ GUARDED_BY(mutex_) = false;
};

}  // namespace Passenger::Bridge
