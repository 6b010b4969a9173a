#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace Passenger {

/** Where the kernel tells of the control groups (cgroup v2) of a process. */
struct CgroupFiles {
    std::string membership = "/proc/self/cgroup";
    std::string hierarchy = "/sys/fs/cgroup";

    static CgroupFiles of(std::int64_t pid);
    /** The folders of the process's group and of those above it. In the cgroup namespace of a
     *  container that is as far up as the container's own group. Empty without cgroup v2. */
    std::vector<std::string> groups() const;
};

/** A control group whose processes may use the processors for a part of the time only. */
struct CpuQuota {
    std::string folder;
    /** The number of processors that the quota allows all the time. */
    double cores = 0;
    /** By its processes since it was made. */
    std::chrono::microseconds used{0};
    /** The kernel's periods in which there was work, and those in which the quota stopped it. */
    std::uint64_t periods = 0;
    std::uint64_t throttled = 0;
};

/**
 * The quotas (cpu.max) of a process's group and of the groups above it, at one moment. Empty
 * without cgroup v2, and where its controller `cpu` is not in use. Reads files that never block.
 * @param processors that the process may use; a quota of so many limits nothing, and is left out
 */
std::vector<CpuQuota> cpuQuotas(const CgroupFiles &files, unsigned processors);

/** The least quota, in processors; nothing: there is none. */
std::optional<double> leastQuota(const std::vector<CpuQuota> &quotas);

/**
 * The processors that a process may use all the time: as many as its quotas allow, rounded down; at
 * least 1.
 * @param processors that it may use without a quota
 */
unsigned wholeProcessors(const CgroupFiles &files, unsigned processors);

/**
 * The part of a quota that was used between two moments, of the group that has used most: 0 to 1.
 * A group that has reached its quota for a part of the periods has used at least this part.
 * Nothing: no group has had a quota all the time.
 */
std::optional<double> quotaUse(const std::vector<CpuQuota> &before, const std::vector<CpuQuota> &after,
                               std::chrono::nanoseconds passed);

}  // namespace Passenger
