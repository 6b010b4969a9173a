#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/FileDescriptor.h"
#include "pool/ApplicationQueue.h"
#include "pool/PoolContext.h"
#include "pool/Process.h"
#include "pool/Snapshot.h"

namespace Passenger {

/**
 * The instances of an application that have begun to serve and have not ended, in the order of
 * their start.
 *
 * Owned by the Group; guarded by the pool's lock. Nothing in it waits.
 *
 * Always true: each of them is STANDBY, SERVING or DRAINING. One that is STANDBY is a companion, of
 * a version that is about to take over, or the standby of the current version. The descriptor store
 * has the descriptors of each one that is a process and not STANDBY.
 */
class Instances {
public:
    /** @param queue that the instances take requests from; outlives this object */
    Instances(PoolContext &context, ApplicationQueue &queue) : context_(context), queue_(queue) {}

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
    /** deposit() for those that serve: a deployment begins. */
    void noteRestart();
    /** It has failed: the next pool process does not begin it anew. @param seen RestartFiles' */
    void restartFailed(const std::string &seen);
    /** The process has ended. Its requests are reported lost, and its cells in the claims freed. */
    void remove(const ProcessPtr &process);
    /** Takes the instance out of service. It ends when its requests are answered. */
    void retire(const ProcessPtr &process);
    /** Takes all instances out of service that were not told to end. */
    void retireAll();
    /** Takes the instances of older versions out of service: instances of this version take their
     *  place. */
    void retireOlderThan(std::uint64_t version);
    /** Tells the children how many requests the instances can take. */
    void publish();
    /** Kills an instance that has not begun to serve, and is not wanted any more. */
    void discard(const ProcessPtr &process);
    /** Hands out all, for the end of the Pool: the caller destroys them without the lock. */
    std::vector<ProcessPtr> takeAll();

    const std::vector<ProcessPtr> &all() const noexcept { return all_; }
    bool empty() const noexcept { return all_.empty(); }
    unsigned living() const noexcept { return static_cast<unsigned>(all_.size()); }
    unsigned serving() const noexcept { return count(Process::State::SERVING); }
    unsigned draining() const noexcept { return count(Process::State::DRAINING); }
    /** Those of a version after the current one, which wait for its takeover. */
    unsigned companions(std::uint64_t current) const noexcept;
    /** The companions that are forks of a preloader. */
    unsigned forkedCompanions(std::uint64_t current) const noexcept;
    /** The instance of the current version that waits until no other one works; null: none. */
    ProcessPtr standby(std::uint64_t current) const noexcept;
    /** Whether an instance of this version serves. */
    bool serves(std::uint64_t version) const noexcept;
    /** Whether one serves, or is to end and may still work at a request. */
    bool anyWorks() const noexcept;
    /** How many of those that serve work at a request. */
    unsigned busy() const;
    /** How many requests those that serve can run at once, beside abandoned ones. */
    unsigned capacity() const { return counts().capacity; }
    /** What the children should know. */
    InstanceCounts counts() const;
    /** How many of these requests they have not claimed. */
    unsigned freeThreads() const;
    /** Whether one is not told to end. */
    bool anyStays() const noexcept;
    std::vector<pid_t> pids() const;

    /** Null: there is none. */
    ProcessPtr find(InstanceId id) const;
    /** The instance that has claimed this request; null: none. */
    ProcessPtr holder(ChannelId channel, Ticket ticket) const;
    /** The sending end of the queue of the instance with this sticky id. None: the instance does
     *  not serve, or has no queue of its own. @throws SystemException */
    FileDescriptor ownQueue(std::uint32_t stickyId) const;
    /** Whether the instance works at a request. */
    bool isBusy(const Process &process) const { return taken(process) > 0; }
    /** Whether it has worked at no request for so long, nor has begun to serve since then. */
    bool isUnused(const Process &process, MonotonicTime now, std::chrono::nanoseconds time) const;
    /** The instances that serve and work at no request. */
    std::vector<ProcessPtr> idle() const;
    /** The instance that would go: the oldest idle one, or else the one that has served longest.
     *  Null: none serves. */
    ProcessPtr leastNeeded() const;
    /** Whether the instance works at nothing, or at requests that only wait, as event streams and
     *  long polls do: its process hardly computes. Streams that have their clients' own sockets are
     *  in no claim. Seen at the second look, a second after the first one. */
    bool onlyWaits(Process &process, MonotonicTime now) const;
    /** How many of those that are to end do nothing but that. */
    unsigned waitingDrains(MonotonicTime now) const;
    /** How many of these have no request, but only streams with their clients' own sockets. */
    unsigned restingDrains(MonotonicTime now) const;
    /** How many were told to end so long ago and do not only wait. */
    unsigned slowDrains(MonotonicTime now, std::chrono::nanoseconds time) const;
    /** The first one that serves and is due for replacement; null: none. */
    ProcessPtr dueForReplacement() const;
    bool anyDueForReplacement() const noexcept;
    /** Whether one ends whose successor serves already. */
    bool anyReplaced() const noexcept;

    /** Requests in flight, with the instances that have taken them. */
    std::vector<RequestSnapshot> requests(MonotonicTime now) const;
    std::vector<ProcessSnapshot> inspect(MonotonicTime now) const;
    ProcessSnapshot inspect(const Process &process, MonotonicTime now) const;

private:
    void noteAges(std::vector<ProcessSnapshot> &processes, MonotonicTime now) const;
    unsigned count(Process::State state) const noexcept;
    unsigned taken(const Process &process) const;
    std::optional<std::chrono::nanoseconds> timeSince(const AnsweredRequests &answered) const;
    void bury(ProcessPtr process);
    void closeOwnQueue(Process &process);

    PoolContext &context_;
    ApplicationQueue &queue_;
    std::vector<ProcessPtr> all_;
};

}  // namespace Passenger
