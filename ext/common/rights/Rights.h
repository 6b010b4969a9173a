#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "base/FileDescriptor.h"
#include "base/ProcessMemory.h"
#include "base/SeccompMode.h"
#include "exchange/Options.h"
#include "rights/AppFile.h"
#include "rights/Cgroups.h"
#include "rights/HelperProcess.h"
#include "rights/ProcessFacts.h"
#include "rights/RegistryFolder.h"
#include "rights/RunAs.h"
#include "rights/UserResolver.h"

namespace Passenger {

struct SpawnServerStart {
    std::string rubyCommand;
    /** The script. */
    std::string spawnServerCommand;
    std::string agentProgram;
    /** Empty: the agent's user. */
    std::string user;
    /** Empty: the user's primary group. */
    std::string group;
    /** The options (userOptionsOf()) of the application for which the server is started. None: the
     *  server is started as the default user. */
    Options::Variables userOptions;
    /** The server's ends of its control socket and of the pipe for its output. */
    int control = -1;
    int output = -1;
};

struct PreStartHelper {
    std::string rubyCommand;
    std::string script;
    std::string agentProgram;
    /** The user, if the agent runs as root. Only then the helper is limited. */
    std::string user;
    SeccompMode seccomp = SeccompMode::ON;
    std::set<std::string> urls;
    /** The helper's end of the pipe for its output. */
    int output = -1;
};

struct EventCommandStart {
    /** For /bin/sh. */
    std::string command;
    std::string agentProgram;
    /** The user, if the agent runs as root. */
    std::string user;
    /** What the command gets in its environment: NAME=value, each name behind PREFIX. */
    std::vector<std::string> variables;
    /** The command's end of the pipe for its output. */
    int output = -1;

    static constexpr const char *PREFIX = "PASSENGER_";
    /** The command and its process group are killed after so long. */
    static constexpr std::chrono::seconds LONGEST{10};
};

/** The group of a new process of an application (Cgroups). */
struct GroupRequest {
    /** A name that joinGroup() has returned; empty: a new group. */
    std::string group;
    /** The label of a new group. */
    std::string label;
    CgroupLimits limits;
    /** Tasks by which the user may get more until endBoot(); 0: any number. */
    unsigned bootTasks = 0;
    /** The pool process. */
    pid_t pool = 0;
};

struct GroupJoined {
    /** Empty: there are no groups. */
    std::string group;
    /** Why limits have no effect, with the remedies. */
    std::vector<std::string> problems;
    /** RLIMIT_NPROC that the process is to set itself, until endBoot(); 0: none. */
    std::uint64_t taskLimit = 0;
    /** The group's path, for Cgroups::eventsIn(). */
    std::string path{};
};

/** The options by which UserResolver finds the user of an application: all but the variables. */
Options::Variables userOptionsOf(const Options &options);
/** Those of them that UserResolver::ownerOf() needs. */
Options::Variables ownerOptionsOf(const Options &options);

/** The names of restart files. */
inline constexpr const char *RESTART_FILE = "restart.txt";
inline constexpr const char *ALWAYS_RESTART_FILE = "always_restart.txt";

/** A look at folders of a path: each leads to the next one. */
struct FolderLook {
    /** At least one. */
    std::vector<std::string> folders;
    /** The user of an application, with all groups. Without a name: this process's own rights. */
    RunAs user{};
    /** Whether a watch reports each write in the last folder, too. */
    bool writes = false;
};

/** When the restart files of a folder were modified: seconds, a point, nanoseconds. Empty: there is
 *  no file that the user can see. */
struct RestartTimes {
    std::string restart;
    std::string alwaysRestart;
};

/**
 * Everything that the pool process may need root for. If root started httpd, the pool process has
 * no rights of its own. A RightsClient asks the rights process, which has its own settings from
 * httpd's parent and checks each request. Otherwise OwnRights does everything here.
 *
 * The rights of a process are one thing for the whole process, in the kernel, too. So is this
 * object. All methods are thread-safe, and may block on a file system; signal(), giveRoom(),
 * endGroup() and endEarlierGroups() wait for 20 ms at most, where the rights process reads nothing.
 *
 * Failures of the request are the exceptions that the methods name. Each method may also throw
 * TimeoutException (a file system does not answer) and IOException (the rights process is gone).
 */
class Rights {
public:
    virtual ~Rights() = default;

    /** An OwnRights unless use() was called. */
    static Rights &ofThisProcess() noexcept;
    /** @param rights outlives its use; null: OwnRights again */
    static void use(Rights *rights) noexcept;

    /** Whether processes can run as other users. */
    virtual bool switchesUsers() const noexcept = 0;

    /**
     * The user of an application, or the reason for people why there is none.
     * @param own decides if this process has the rights itself
     * @param canSwitch as for UserResolver::resolve()
     * @throws SystemException
     */
    virtual tl::expected<RunAs, std::string> userOf(const Options &options, const UserResolver &own,
                                                    bool canSwitch) = 0;
    /** @throws SystemException, IOException: the start is refused */
    virtual HelperProcess start(const SpawnServerStart &server) = 0;
    virtual HelperProcess start(const PreStartHelper &helper) = 0;
    virtual HelperProcess start(const EventCommandStart &start) = 0;
    /**
     * Sends SIGKILL, SIGTERM or SIGQUIT to a process of an application, or has tidy() do so.
     * @return false if the process has ended
     * @throws SystemException
     */
    virtual bool signal(const FileDescriptor &pidFd, int signal) = 0;
    /** The same for callers that no exception may leave: a failure is logged. */
    void signalOrLog(const FileDescriptor &pidFd, pid_t pid, int number) noexcept;

    /**
     * From now on each application's processes have a control group, if the system allows it. Logs
     * whether it does. Once.
     * @param agent the anchor
     */
    virtual void useGroups(pid_t agent) = 0;
    /** Whether new processes are to wait for joinGroup(). Does not change any more once processes
     *  are started. */
    virtual bool places() const noexcept = 0;
    /**
     * Moves a process, which has no descendants yet, into a group of its user. Tells the limit of
     * tasks for its boot, if users are switched.
     * @throws SystemException, IOException: it is refused
     */
    virtual GroupJoined joinGroup(const FileDescriptor &pidFd, const GroupRequest &wanted) = 0;
    /** The process has booted: lifts its limit of tasks, also for its descendants and the daemons
     *  that it has left. @throws SystemException, IOException: it may stay */
    virtual void endBoot(const FileDescriptor &pidFd) = 0;
    /** Gives a process that boots and its descendants low priority (BootPriority), or takes that
     *  back, also from the daemons that it has left. Does nothing unless users are switched and the
     *  rights suffice.
     *  @throws SystemException, IOException */
    virtual void setPriority(const FileDescriptor &pidFd, bool low) = 0;
    /** The processes and threads of a user. @throws SystemException, IOException */
    virtual std::uint64_t tasksOf(uid_t user) = 0;
    /** Kills what is left in the group, and removes it. Does not block; a failure is logged. */
    virtual void endGroup(const std::string &group) noexcept = 0;
    /** Calls endGroup() for the groups of all pool processes but this one, except `kept`. */
    virtual void endEarlierGroups(pid_t pool, const std::vector<std::string> &kept) noexcept = 0;
    /** Removes groups that have ended (Cgroups::tidy()), if this process has to, or sends the
     *  rights process the signals that it did not take. To be called every few seconds; may
     *  block. */
    virtual void tidy() {}
    /** At the end of the agent: ends all groups and removes them, if this process has to. Waits
     *  until `limit` at most. */
    virtual void endGroups(Cgroups::Time /*limit*/) {}

    /**
     * Lets the buffer of a queue grow beyond net.core.wmem_max (SO_SNDBUFFORCE). Does not block,
     * and does not fail: the queue has less room then.
     * @param bytes RequestQueue::missingRoom(); 0: nothing is missing
     */
    virtual void giveRoom(const FileDescriptor &socket, int bytes) noexcept = 0;

    /** See AppFile::openForAppending() and openForReading(). */
    virtual FileDescriptor openForAppending(const std::string &path, const RunAs &owner, AppFile::NamedBy namedBy) = 0;
    virtual FileDescriptor openForReading(const std::string &path, const RunAs &owner, AppFile::NamedBy namedBy) = 0;

    /** Both files in the last folder of each look. They cost few messages, however many looks there
     *  are. @return nothing for a look that failed */
    virtual std::vector<std::optional<RestartTimes>> modified(const std::vector<FolderLook> &looks) = 0;
    /**
     * Adds the folders to an inotify instance of this process, by few messages. The last one
     * of a look reports entries that appear, change their times, or have been written. The others
     * report no writes: what leads to the last folder is a folder or a link, and other programs may
     * write much beside it.
     * @return for each folder of a look the watch, or a negative errno value; nothing for a look
     *     that failed
     */
    virtual std::vector<std::vector<int>> watch(const FileDescriptor &inotify,
                                                const std::vector<FolderLook> &looks) = 0;

    /** Asks about all files again that have not answered, as after the repair of a file system. */
    virtual void endSilences() {}

    /** See ProcessFacts::read(). The administrator may have closed /proc to all but root. */
    virtual ProcessFacts::Files procFilesOf(pid_t pid) = 0;
    /** The proportional share, and what is private (processMemory()). @param descendants whether
     *  the descendants of the process count, too @throws SystemException: the kernel refuses it */
    virtual std::optional<ProcessMemory> memoryOf(pid_t pid, bool descendants) = 0;

    /** See the methods of SocketFolders. */
    virtual void prepareSpawnDir(const std::string &folder) = 0;
    /** @param bridge 0: all unlocked folders */
    virtual void removeSocketFolders(const std::string &folder, pid_t bridge) = 0;

    /** See the functions of RegistryFolder. */
    virtual RegistryFolder makeRegistry(const std::string &parent, unsigned backlog, pid_t anchor, pid_t pool) = 0;
    virtual void removeRegistry(const std::string &folder, pid_t anchor) = 0;
    /** The file of PassengerFileDescriptorLogFile, for appending. @throws SystemException,
     *  IOException */
    virtual FileDescriptor openDescriptorLog(const std::string &path) = 0;
};

}  // namespace Passenger
