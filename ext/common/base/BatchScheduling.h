#pragma once

namespace Passenger {

/**
 * Keeps threads that wait for answers from interrupting the instances that give them, and bridges
 * from interrupting the threads that give them requests.
 *
 * An instance that answers wakes a thread of httpd. The kernel often runs that thread at once in
 * the instance's place, though the instance has further requests. A thread with the policy
 * SCHED_BATCH (sched(7)) has the same share of the processor, but waits until the instance sleeps
 * or its slice ends. doc/decisions/0047-batch-scheduling.md has figures.
 *
 * One object serves all threads of a process. If its maker has SCHED_BATCH, an administrator has
 * chosen that for httpd, and nothing changes it. Threads with any other policy than this and
 * SCHED_OTHER keep theirs, too.
 */
class BatchScheduling {
public:
    BatchScheduling();

    /**
     * In a thread that is about to wait. Its policy becomes SCHED_BATCH where more requests are in
     * flight than instances or processors can work at: most probably the instance has a next
     * request. It becomes SCHED_OTHER for a request that is the only one: the instance sleeps after
     * it anyway, and beside busy programs the answer comes sooner. In between it stays. Costs one
     * system call, and another one for a change.
     * @param inFlight requests of the application, this one included
     * @param capacity requests that its instances can work at
     */
    void adapt(unsigned inFlight, unsigned capacity) const noexcept;
    /** The calling thread has SCHED_BATCH from now on, or SCHED_OTHER. */
    void set(bool batch) const noexcept;

private:
    const unsigned processors_;
    const bool mayChange_;
};

}  // namespace Passenger
