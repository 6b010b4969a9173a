#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/FileDescriptor.h"
#include "base/Mutex.h"

namespace Passenger {

/** What an application's processes may use together (PassengerMemoryMax, PassengerCpuWeight,
 *  PassengerTasksMax). 0: no limit. */
struct CgroupLimits {
    /** MB. */
    unsigned memory = 0;
    /** 1 to 10000; 100 is the share of a group without a limit. */
    unsigned cpuWeight = 0;
    /** Processes and threads. */
    unsigned tasks = 0;
};

/** How often limits of a group had an effect since it was made. A weight has none that counts. */
struct CgroupEvents {
    /** Processes that the kernel has killed at PassengerMemoryMax. */
    std::uint64_t memoryKills = 0;
    /** How often the group was at PassengerMemoryMax, and the kernel took pages back or killed. */
    std::uint64_t memoryReached = 0;
    /** Processes and threads that PassengerTasksMax has refused. */
    std::uint64_t tasksRefused = 0;

    CgroupEvents &operator+=(const CgroupEvents &more) noexcept {
        memoryKills += more.memoryKills;
        memoryReached += more.memoryReached;
        tasksRefused += more.tasksRefused;
        return *this;
    }
    friend bool operator==(const CgroupEvents &, const CgroupEvents &) = default;
};

/**
 * The control groups (cgroup v2) of one agent: a folder `passenger.PID`, in which each application
 * has a group for its processes. A group is used from an application's first process to its last
 * one. Processes that are left in a group are killed when it ends; its name is free again once it
 * is removed.
 *
 * Agents in several PID namespaces may use the same place, and know nothing of each other's pids.
 * So the folder's name has the namespace, and each object has a lock (flock) on the folder, which
 * ends with the process. A folder that is locked, or that has a process of another PID namespace,
 * is left alone.
 *
 * Several objects may use the same folder: forked processes have copies. Thread-safe.
 */
class Cgroups {
public:
    using Time = std::chrono::steady_clock::time_point;

    /** Below the place, for the processes that were in it. */
    static constexpr std::string_view HTTPD = "/httpd";
    /** The groups of an agent. The kernel has ids for 65,535 groups with a limit of memory, on the
     *  whole machine: without one systemd starts no unit. */
    static constexpr unsigned MAX_GROUPS = 16'384;
    /** Processes that the agent before has left may finish their requests in this time. */
    static constexpr std::chrono::seconds LEFTOVERS_MAY_STAY{60};

    /**
     * Makes the folder, unless it exists, and finds what dead agents have left beside it.
     * @param place from CgroupPlace
     * @param agent the anchor, whose pid is in the folder's name
     * @throws SystemException
     */
    Cgroups(std::string place, pid_t agent);
    /** The name of an agent's folder: `passenger.PID`, or `passenger.PID.NAMESPACE` outside of the
     *  machine's first PID namespace. */
    static std::string folderOf(pid_t agent);

    const std::string &folder() const noexcept { return folder_; }
    /** The controllers that groups can have, with blanks between them. */
    std::string controllers() const;

    /**
     * Makes a group.
     * @param label for people; other characters than letters and digits are replaced
     * @param user whose processes will be in it
     * @param pool the pool process
     * @return its name
     * @throws SystemException
     */
    std::string make(const std::string &label, uid_t user, pid_t pool);
    /** The user of a group; nothing: there cannot be a group of this name. */
    static std::optional<uid_t> userOf(const std::string &name);
    /** Limits a group. @return for each limit that cannot be set: why, with the remedy */
    std::vector<std::string> limit(const std::string &name, const CgroupLimits &limits);
    /** What limits have done to a group. Zeros: nothing, or the kernel does not tell. Does not need
     *  root. @param path of the group */
    static CgroupEvents eventsIn(const std::string &path);
    /** Moves a process into a group. @throws SystemException */
    void add(const std::string &name, pid_t process);
    /** Moves a process out of the groups, to httpd's. @throws SystemException */
    void putBack(pid_t process);

    /** Kills the processes of a group. tidy() removes it. Does not block. */
    void end(const std::string &name) EXCLUDES(mutex_);
    /** Ends all groups that were made for another pool process than this one, except `kept`. */
    void endOthersThan(pid_t pool, const std::vector<std::string> &kept) EXCLUDES(mutex_);
    /** Ends all groups and removes the folder. Waits until `limit` at most. */
    void endAll(Time limit) EXCLUDES(mutex_);

    /** Removes ended groups that are empty, and what dead agents have left. Does nothing right
     *  after the last time. */
    void tidy(Time now) EXCLUDES(mutex_);
    /** The time after which tidy() has something to do again; nothing: not as it is now. */
    std::optional<std::chrono::milliseconds> untilTidy() const EXCLUDES(mutex_);

    std::string pathOf(const std::string &name) const { return folder_ + "/" + name; }

private:
    std::string set(const std::string &name, const char *file, const char *directive, const std::string &value,
                    const char *none);
    std::string enable(const std::string &controller, const char *directive) const;
    int setController(const std::string &group, const std::string &controller) const;
    bool vacate() const;
    bool isOver(const std::string &name, bool last) const;
    void openFolder();
    void findLeftovers(Time now) EXCLUDES(mutex_);

    const std::string place_;
    const std::string folder_;
    /** The folder, locked. The lock tells agents in all PID namespaces that this agent lives. */
    FileDescriptor lock_;
    mutable Mutex mutex_{Locks::CGROUPS};
    /** Ended groups, and until when their removal is tried. */
    std::map<std::string, Time> ending_ GUARDED_BY(mutex_);
    /** Names of dead agents' folders, and until when their processes may stay. */
    std::map<std::string, Time> leftovers_ GUARDED_BY(mutex_);
    /** Before this time tidy() does nothing, however often it is called. */
    Time nextTidy_ GUARDED_BY(mutex_);
};

}  // namespace Passenger
