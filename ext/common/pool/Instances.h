#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/Clock.h"
#include "base/FileDescriptor.h"
#include "control/AppStatus.h"
#include "pool/ApplicationQueue.h"
#include "pool/CpuLoad.h"
#include "pool/DescriptorStore.h"
#include "pool/InstanceStore.h"
#include "pool/Process.h"
#include "pool/Snapshot.h"

namespace Passenger {

/**
 * The instances of an application that have begun to serve and have not ended, in the order of
 * their start.
 *
 * Owned by the Group; guarded by the pool's lock. Nothing in it waits.
 *
 * Always true: each instance is STANDBY, SERVING or DRAINING. A STANDBY instance is a companion, of
 * a version that is about to take over, or the standby of the current version. The descriptor store
 * has the descriptors of each instance that is a process and not STANDBY.
 */
class Instances {
public:
    /** All arguments outlive this object. @param queue that the instances take requests from
     *  @param bury PoolContext::bury() */
    Instances(DescriptorStore &store, const Clock &clock, CpuLoad &cpu, ApplicationQueue &queue,
              std::function<void(ProcessPtr)> bury)
        : store_(store), clock_(clock), cpu_(cpu), queue_(queue), bury_(std::move(bury)) {}

    /** The instance serves from now on, or stands by. */
    void add(const ProcessPtr &process);
    /** The instance has stood by, and serves from now on. @param restarts as deposit()'s */
    void serve(const ProcessPtr &process, bool restarts);
    /** The version of the companions does not take over. @param current the application's version
     */
    void retireCompanions(std::uint64_t current);
    /** Leaves with the watchdog what the next pool process needs of the instance. add() does so,
     *  too. @param restarts another version is to take its place: the next pool process begins that
     *  anew */
    void deposit(const Process &process, bool restarts = false);
    /** deposit() for the instances that serve: a deployment begins. */
    void noteRestart();
    /** The restart has failed: the next pool process does not begin it anew. @param seen
     *  RestartFiles' */
    void restartFailed(const std::string &seen);
    /** The process has ended. Its requests are reported lost, and its cells in the claims freed. */
    void remove(const ProcessPtr &process);
    /** Takes the instance out of service. It ends when its requests are answered. */
    void retire(const ProcessPtr &process);
    /** Retires all instances that were not told to end. */
    void retireAll();
    /** Takes the instances of older versions out of service: instances of this version take their
     *  place. */
    void retireOlderThan(std::uint64_t version);
    /** Tells the children how many requests the instances can take, and anyServes(). */
    void publish();
    /** Kills an instance that has not begun to serve, and is not wanted any more. */
    void discard(const ProcessPtr &process);
    /** Hands out all instances, for the end of the Pool. The caller destroys them without the
     *  lock. */
    std::vector<ProcessPtr> takeAll();

    const std::vector<ProcessPtr> &all() const noexcept { return all_; }
    bool empty() const noexcept { return all_.empty(); }
    unsigned living() const noexcept { return static_cast<unsigned>(all_.size()); }
    unsigned serving() const noexcept { return count(Process::State::SERVING); }
    /** Whether an instance serves, for threads without the pool's lock. */
    std::shared_ptr<const std::atomic<bool>> anyServes() const noexcept { return anyServes_; }
    unsigned draining() const noexcept { return count(Process::State::DRAINING); }
    /** The number of instances of a later version. They stand by until that version takes over. */
    unsigned companions(std::uint64_t current) const noexcept;
    /** The number of companions that are forks of a preloader. */
    unsigned forkedCompanions(std::uint64_t current) const noexcept;
    /** The instance of the current version that waits until no other one works; null: none. */
    ProcessPtr standby(std::uint64_t current) const noexcept;
    bool serves(std::uint64_t version) const noexcept;
    /** Whether an instance serves, or is DRAINING and may still work at a request. */
    bool anyWorks() const noexcept;
    unsigned busy() const;
    /** The number of requests that serving instances can run at once, beside abandoned requests. */
    unsigned capacity() const { return counts().capacity; }
    /** What the children should know. */
    InstanceCounts counts() const;
    /** The number of threads of serving instances that have claimed no request. */
    unsigned freeThreads() const;
    /** Whether an instance was not told to end. */
    bool anyStays() const noexcept;

    /** Null: there is none. */
    ProcessPtr find(InstanceId id) const;
    /** The instance that has claimed this request; null: none. */
    ProcessPtr holder(ChannelId channel, Ticket ticket) const;
    /** The sending end of the queue of the instance with this sticky id. None: the instance does
     *  not serve, or has no queue of its own. @throws SystemException */
    FileDescriptor ownQueue(std::uint32_t stickyId) const;
    bool isBusy(const Process &process) const { return taken(process) > 0; }
    /** Whether the instance has served for this time and has worked at no request meanwhile. */
    bool isUnused(const Process &process, MonotonicTime now, std::chrono::nanoseconds time) const;
    /** The instances that serve and work at no request. */
    std::vector<ProcessPtr> idle() const;
    /** The instance to end first: the oldest idle one, else the one that has served longest. Null:
     *  no instance serves. */
    ProcessPtr leastNeeded() const;
    /** Whether the instance works at nothing, or at requests that only wait, as event streams and
     *  long polls do: its process hardly computes. Streams that have their clients' own sockets are
     *  in no claim. Seen at the second look, a second after the first one. */
    bool onlyWaits(Process &process, MonotonicTime now) const;
    /** The number of DRAINING instances for which onlyWaits() is true. */
    unsigned drainingThatOnlyWait(MonotonicTime now) const;
    /** The number of these that have no request, but only streams with their clients' own
     *  sockets. */
    unsigned drainingWithStreamsOnly(MonotonicTime now) const;
    /** The number of instances that have been DRAINING for this time and do not only wait. */
    unsigned drainingTooLong(MonotonicTime now, std::chrono::nanoseconds time) const;
    /** The first serving instance that is due for replacement; null: none. */
    ProcessPtr dueForReplacement() const;
    bool anyDueForReplacement() const noexcept;
    /** Whether a DRAINING instance has a successor that serves. */
    bool anyReplaced() const noexcept;

    /** Requests in flight, with the instances that have taken them. */
    std::vector<RequestStatus> requests(MonotonicTime now) const;
    std::vector<ProcessSnapshot> inspect(MonotonicTime now) const;
    ProcessSnapshot inspect(const Process &process, MonotonicTime now) const;

private:
    void noteAges(std::vector<ProcessSnapshot> &processes, MonotonicTime now) const;
    unsigned count(Process::State state) const noexcept;
    unsigned taken(const Process &process) const;
    std::optional<std::chrono::nanoseconds> timeSince(const AnsweredRequests &answered) const;
    void closeOwnQueue(Process &process);

    InstanceStore store_;
    const Clock &clock_;
    CpuLoad &cpu_;
    ApplicationQueue &queue_;
    const std::function<void(ProcessPtr)> bury_;
    std::vector<ProcessPtr> all_;
    const std::shared_ptr<std::atomic<bool>> anyServes_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace Passenger
