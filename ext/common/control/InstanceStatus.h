#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace Passenger {

/** What a command measures of an instance, which the agent does not. Memory is in bytes. */
struct MeasuredStatus {
    std::uint64_t resident = 0;
    /** Written pages that no other process has. */
    std::uint64_t privateDirty = 0;
    std::uint64_t swap = 0;
    std::uint64_t virtualSize = 0;
    std::int64_t processGroup = 0;
    std::string commandLine;
};

/** An instance. Units and moments are those of ServerStatus. */
struct InstanceStatus {
    std::int64_t pid = 0;
    /** The process that does the work, where the instance is a bridge to it; 0: it is none, or the
     *  process is not known yet. */
    std::int64_t applicationPid = 0;
    /** standby, serving, draining, dead */
    std::string state;
    std::uint64_t version = 0;
    /** Since its start, or since this pool process took it over. */
    double age = 0;
    /** Whether an earlier pool process started it. */
    bool adopted = false;
    /** Requests that it can run at once. */
    unsigned concurrency = 0;
    /** Requests in work, and since when the oldest is. */
    unsigned sessions = 0;
    double busyFor = 0;
    /** Requests that it has answered since its start, or since this pool process took it over; and
     *  seconds since 1970 at which the last of them ended, 0: none has. As it says itself. */
    std::uint64_t processed = 0;
    double lastUsed = 0;
    /** PSS, swapped memory included, as it counts for limits; 0: unknown. */
    std::uint64_t memory = 0;
    /** What no other process has, of each of its processes; 0: unknown. */
    std::uint64_t privateMemory = 0;
    /** Nothing: it is not measured, or this user may not measure it. Not in the JSON. */
    std::optional<MeasuredStatus> measured;
    /** Of one core, since the start of its process; and the time since that start, when the CPU
     *  time was measured, 0: it was not. */
    double cpuTime = 0;
    double processAge = 0;
    /** Why it is being replaced; empty: it is not. */
    std::string replacementReason;

    template <class Self, class Visit> static void describe(Self &status, Visit &&visit) {
        visit("pid", status.pid);
        visit("application_pid", status.applicationPid);
        visit("state", status.state);
        visit("version", status.version);
        visit("age", status.age);
        visit("adopted", status.adopted);
        visit("concurrency", status.concurrency);
        visit("sessions", status.sessions);
        visit("busy_for", status.busyFor);
        visit("processed", status.processed);
        visit("last_used", status.lastUsed);
        visit("memory", status.memory);
        visit("private_memory", status.privateMemory);
        visit("cpu_time", status.cpuTime);
        visit("process_age", status.processAge);
        visit("replacement_reason", status.replacementReason);
    }
};

}  // namespace Passenger
