#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/Clock.h"
#include "base/StrongId.h"
#include "exchange/Options.h"
#include "policy/Heartbeats.h"
#include "pool/ApplicationQueue.h"
#include "pool/Instances.h"
#include "pool/Process.h"

namespace Passenger {

/**
 * Finds the instances of an application that hang, and kills them. Such an instance works at a
 * request for longer than PassengerMaxRequestTime, or gives no sign of life within
 * PassengerHeartbeatTimeout. Or it does not end after it was told to finish and
 * PassengerStopTimeout has passed. A request that such an instance works at is not given to another
 * instance.
 *
 * Owned by the Group; guarded by the pool's lock. Nothing in it waits; all times are passed in.
 */
class HangWatch {
public:
    /** All arguments outlive this object. @param options of the application, as they are now */
    HangWatch(const std::string &app, const Options &options, const ApplicationQueue &queue, const Instances &instances)
        : app_(app), options_(options), queue_(queue), instances_(instances) {}

    /** Notes the PassengerMaxRequestTime of a request. Places of the configuration may have
     *  different values, and an abandoned request does not tell its value. So the longest value
     *  applies to abandoned requests; zero means no limit. */
    void noteLimit(std::chrono::milliseconds limit) noexcept;
    /** The configuration has changed: the places tell their limits again. */
    void forgetLimits() noexcept {
        limit_ = std::chrono::milliseconds(0);
        knowsLimit_ = false;
    }
    /** Zero: none. */
    std::chrono::milliseconds limit() const noexcept { return limit_; }
    /** The instance serves from now on. @param options those that it was started with */
    void add(const Process &process, const Options &options, MonotonicTime now);
    void remove(InstanceId id);
    void noteHeartbeat(InstanceId id, MonotonicTime now);
    /** The instances that work at an abandoned request for longer than they may. No child tells
     *  this process of such a request, so its time begins when it is abandoned. */
    std::vector<ProcessPtr> overdue(MonotonicTime now);
    /** The instance works at a request for longer than `limit`. It is killed a moment later; the
     *  caller may ask it for backtraces. False: that was said before. */
    bool noteHang(const Process &process, std::chrono::milliseconds limit, MonotonicTime now);
    /** The instances that gave no sign of life, each once. The caller kills them. */
    std::vector<ProcessPtr> silent(MonotonicTime now);
    /** Kills the instances of noteHang() whose time for backtraces is over. */
    void killHung(MonotonicTime now);
    /** Kills the instances that were told to finish long ago. */
    void killUnfinished(MonotonicTime now);
    /** The next date for overdue(), silent() and killHung(). Nothing: they have nothing to do until
     *  something changes. */
    std::optional<MonotonicTime> next() const;

private:
    struct Watched {
        /** The instance hangs, and is killed then. */
        std::optional<MonotonicTime> killAt;
        /** An earlier pool process had it, and it worked at requests then: since when this one has
         *  it. Later, if children still wait for all of them. */
        std::optional<MonotonicTime> adoptedBusy;
        /** Zero: the instance sends no signs of life. */
        std::chrono::nanoseconds heartbeatTimeout{0};
    };

    void setTimeout();
    std::optional<MonotonicTime> abandonedDate(const Process &process) const;
    bool worksAtOldRequest(const Process &process, Watched &watched, MonotonicTime now) const;

    const std::string &app_;
    const Options &options_;
    const ApplicationQueue &queue_;
    const Instances &instances_;
    /** The longest PassengerMaxRequestTime of the places; zero: none. */
    std::chrono::milliseconds limit_{0};
    bool knowsLimit_ = false;
    std::unordered_map<InstanceId, Watched> watched_;
    /** The heartbeats of the instances that send signs of life. */
    Heartbeats<InstanceId> heartbeats_;
};

}  // namespace Passenger
