#include "rights/OwnRights.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <exception>
#include <iterator>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/BootPriority.h"
#include "base/ChildProcess.h"
#include "base/CleanEnvironment.h"
#include "base/Exceptions.h"
#include "base/FileRights.h"
#include "base/PidFd.h"
#include "base/ProcessMemory.h"
#include "base/ProcessTree.h"
#include "log/Log.h"
#include "rights/CgroupPlace.h"
#include "rights/ProcessLineage.h"
#include "rights/SocketFolders.h"
#include "rights/TaskLimit.h"

namespace Passenger {

namespace {

constexpr uid_t ROOT = 0;
constexpr int CONTROL_DESCRIPTOR = 3;
/** The spawn server needs none. RubyGems takes two thirds of Ruby's start. */
constexpr const char *WITHOUT_GEMS = "--disable=gems";

/**
 * An entry appeared, changed its times, or was written. A read or a removal does not request a
 * restart.
 */
constexpr std::uint32_t CHANGES = IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_CLOSE_WRITE | IN_ONLYDIR;
/** In a folder above the last one of a path. The folder may be the last one of another path, so
 *  the watch keeps the events that it has. */
constexpr std::uint32_t APPEARANCES = IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_ONLYDIR | IN_MASK_ADD;

std::optional<AsUser> become(const RunAs &user) {
    if (!user.switches()) {
        return std::nullopt;
    }
    return std::optional<AsUser>(std::in_place, FileRights::ofUser(user.user, user.uid, user.gid));
}

/** What `one` returns for each look, with the rights of its user; for a look that fails an empty
 *  result. */
template <typename One> auto ofEach(const std::vector<FolderLook> &looks, One one) {
    std::vector<decltype(one(looks.front()))> results(looks.size());
    std::ranges::transform(looks, results.begin(), [&](const FolderLook &look) {
        try {
            const auto rights = become(look.user);
            return one(look);
        } catch (const std::exception &) {
            return decltype(one(look))();
        }
    });
    return results;
}

/** As RestartTimes has it. */
std::string timeOf(const std::string &file) {
    struct stat status {};
    return ::stat(file.c_str(), &status) == 0 ? fmt::format("{}.{}", status.st_mtim.tv_sec, status.st_mtim.tv_nsec)
                                              : "";
}

/** Program and arguments. A Ctrl-C at a terminal must reach only httpd, which ends all processes in
 *  order: hence the session. */
ChildProcess::Command commandOf(const std::vector<std::string> &words) {
    ChildProcess::Command command;
    command.program = words.front();
    command.arguments.assign(words.begin() + 1, words.end());
    command.newSession = true;
    return command;
}

HelperProcess launch(const ChildProcess::Command &command) {
    ChildProcess process(command);
    FileDescriptor pidFd = process.pidFd().duplicate();
    return {process.release(), std::move(pidFd)};
}

/** The parent of a process that boots. It has the daemons of the boot as children. */
pid_t keeperOf(pid_t pid) {
    const pid_t parent = parentOf(pid);
    return ProcessLineage::userOf(parent) == ProcessLineage::userOf(pid) ? parent : pid;
}

/** The port that the helper finds in the URL. httpd has checked the URL's form. */
std::string portOf(std::string_view url) {
    const std::string_view scheme = url.substr(0, url.find("://"));
    url.remove_prefix(std::min(url.size(), scheme.size() + 3));
    const std::string_view host = url.substr(0, url.find_first_of("/?#"));
    const auto colon = host.rfind(':');
    if (colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos && colon + 1 < host.size()) {
        return std::string(host.substr(colon + 1));
    }
    return scheme.size() == std::string_view("https").size() ? "443" : "80";
}

/** With commas between them. */
std::string portsOf(const std::set<std::string> &urls) {
    std::set<std::string> ports;
    std::transform(urls.begin(), urls.end(), std::inserter(ports, ports.end()), portOf);
    return fmt::format("{}", fmt::join(ports, ","));
}

}  // namespace

bool OwnRights::switchesUsers() const noexcept {
    return ::geteuid() == ROOT;
}

tl::expected<RunAs, std::string> OwnRights::userOf(const Options &options, const UserResolver &own, bool canSwitch) {
    return own.resolve(options, canSwitch);
}

HelperProcess OwnRights::start(const SpawnServerStart &server) {
    ChildProcess::Command command;
    if (server.user.empty()) {
        command = commandOf({server.rubyCommand, WITHOUT_GEMS, server.spawnServerCommand});
    } else {
        command = commandOf({server.agentProgram, "run-as", server.user, server.group, server.rubyCommand, WITHOUT_GEMS,
                             server.spawnServerCommand, server.user});
        command.environment = cleanEnvironment();
    }
    command.descriptors = {
        {server.control, CONTROL_DESCRIPTOR}, {server.output, STDOUT_FILENO}, {server.output, STDERR_FILENO}};
    return launch(command);
}

HelperProcess OwnRights::start(const PreStartHelper &helper) {
    std::vector<std::string> words{helper.rubyCommand, helper.script};
    if (switchesUsers()) {
        words.insert(words.begin(), {helper.agentProgram, "run-as", "--limits", text(helper.seccomp),
                                     portsOf(helper.urls), helper.user, ""});
    }
    ChildProcess::Command command = commandOf(words);
    std::string urls;
    for (const std::string &url : helper.urls) {
        urls += url + "\n";
    }
    command.environment = cleanEnvironment();
    // Not as arguments, which all users can read: a query may be a secret.
    command.environment->push_back("PASSENGER_PRE_START_URLS=" + urls);
    command.descriptors = {{helper.output, STDOUT_FILENO}};
    return launch(command);
}

HelperProcess OwnRights::start(const EventCommandStart &start) {
    // timeout(1) leads the process group, as the command's user, and kills all of it.
    const std::string seconds = std::to_string(EventCommandStart::LONGEST.count());
    std::vector<std::string> words{"timeout", "-s", "KILL", seconds, "/bin/sh", "-c", start.command};
    if (switchesUsers()) {
        words.insert(words.begin(), {start.agentProgram, "run-as", start.user, ""});
    }
    ChildProcess::Command command = commandOf(words);
    command.environment = cleanEnvironment();
    command.environment->insert(command.environment->end(), start.variables.begin(), start.variables.end());
    command.descriptors = {{start.output, STDOUT_FILENO}, {start.output, STDERR_FILENO}};
    return launch(command);
}

bool OwnRights::signal(const FileDescriptor &pidFd, int signal) {
    return signalPidFd(pidFd, signal);
}

void OwnRights::useGroups(pid_t agent) {
    const auto place = CgroupPlace::find(CgroupPlace::Facts::ofThisProcess());
    if (!place) {
        Log::notice("event=cgroups.off reason=\"{}\"", place.error());
        return;
    }
    try {
        groups_ = std::make_unique<Cgroups>(*place, agent);
        Log::notice("event=cgroups.on folder=\"{}\" controllers=\"{}\"", groups_->folder(), groups_->controllers());
    } catch (const SystemException &error) {
        Log::notice("event=cgroups.off reason=\"{}\"", error.what());
    }
}

bool OwnRights::places() const noexcept {
    return groups_ != nullptr;
}

GroupJoined OwnRights::joinGroup(const FileDescriptor &pidFd, const GroupRequest &wanted) {
    const pid_t pid = ProcessLineage::pidOf(pidFd);
    struct stat status {};
    if (pid <= 0 || ::stat(fmt::format("/proc/{}", pid).c_str(), &status) != 0) {
        throw IOException("the process has ended");
    }
    GroupJoined joined{wanted.group, {}};
    // Without an explicit wish nothing is limited for good.
    if (switchesUsers() && wanted.bootTasks > 0 &&
        (TaskLimit::canLift() || wanted.bootTasks != Options().maxBootProcesses)) {
        joined.taskLimit = TaskLimit::above(status.st_uid, wanted.bootTasks);
    }
    if (!groups_) {
        return joined;
    }
    if (joined.group.empty()) {
        joined.group = groups_->make(wanted.label, status.st_uid, wanted.pool);
    }
    joined.path = groups_->pathOf(joined.group);
    joined.problems = groups_->limit(joined.group, wanted.limits);
    groups_->add(joined.group, pid);
    if (waitPidFd(pidFd, std::chrono::milliseconds(0))) {
        // Its number may have been another process's already.
        groups_->putBack(pid);
        throw IOException("the process has ended");
    }
    return joined;
}

void OwnRights::endBoot(const FileDescriptor &pidFd) {
    const pid_t pid = ProcessLineage::pidOf(pidFd);
    if (switchesUsers() && pid > 0) {
        TaskLimit::lift(keeperOf(pid));
    }
}

void OwnRights::setPriority(const FileDescriptor &pidFd, bool low) {
    const pid_t pid = ProcessLineage::pidOf(pidFd);
    if (!switchesUsers() || pid <= 0 || !BootPriority::canRestore()) {
        return;
    }
    if (low) {
        BootPriority::lower(pid);
    } else {
        BootPriority::restore(keeperOf(pid));
    }
}

std::uint64_t OwnRights::tasksOf(uid_t user) {
    return TaskLimit::tasksOf(user);
}

void OwnRights::endGroup(const std::string &group) noexcept {
    if (groups_) {
        groups_->end(group);
    }
}

void OwnRights::endEarlierGroups(pid_t pool, const std::vector<std::string> &kept) noexcept {
    if (groups_) {
        groups_->endOthersThan(pool, kept);
    }
}

void OwnRights::tidy() {
    if (groups_) {
        groups_->tidy(std::chrono::steady_clock::now());
    }
}

void OwnRights::endGroups(Cgroups::Time limit) {
    if (groups_) {
        groups_->endAll(limit);
    }
}

void OwnRights::giveRoom(const FileDescriptor &socket, int bytes) noexcept {
    if (bytes > 0) {
        ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
    }
}

FileDescriptor OwnRights::openForAppending(const std::string &path, const RunAs &owner, AppFile::NamedBy namedBy) {
    return AppFile::openForAppending(path, owner, namedBy);
}

FileDescriptor OwnRights::openForReading(const std::string &path, const RunAs &owner, AppFile::NamedBy namedBy) {
    return AppFile::openForReading(path, owner, namedBy);
}

std::vector<std::optional<RestartTimes>> OwnRights::modified(const std::vector<FolderLook> &looks) {
    return ofEach(looks, [](const FolderLook &look) {
        const std::string folder = look.folders.back() + "/";
        return std::optional(RestartTimes{timeOf(folder + RESTART_FILE), timeOf(folder + ALWAYS_RESTART_FILE)});
    });
}

std::vector<std::vector<int>> OwnRights::watch(const FileDescriptor &inotify, const std::vector<FolderLook> &looks) {
    return ofEach(looks, [&](const FolderLook &look) {
        std::vector<int> watches;
        for (const std::string &folder : look.folders) {
            const std::uint32_t last = look.writes ? CHANGES | IN_MODIFY : CHANGES;
            const bool above = &folder != &look.folders.back();
            const int watch = ::inotify_add_watch(inotify.get(), folder.c_str(), above ? APPEARANCES : last);
            watches.push_back(watch >= 0 ? watch : -errno);
        }
        return watches;
    });
}

ProcessFacts::Files OwnRights::procFilesOf(pid_t pid) {
    return ProcessFacts::read(pid);
}

std::optional<ProcessMemory> OwnRights::memoryOf(pid_t pid, bool descendants) {
    auto sum = processMemory(pid);
    if (!sum) {
        const std::string file = fmt::format("/proc/{}/smaps_rollup", pid);
        if (!FileDescriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC)) && errno == EACCES) {
            throw SystemException(file, errno);
        }
    }
    if (sum && descendants) {
        for (const pid_t descendant : descendantsOf(pid)) {
            *sum += processMemory(descendant).value_or(ProcessMemory());
        }
    }
    return sum;
}

void OwnRights::prepareSpawnDir(const std::string &folder) {
    SocketFolders(folder).prepare();
}

void OwnRights::removeSocketFolders(const std::string &folder, pid_t bridge) {
    const SocketFolders folders(folder);
    if (bridge > 0) {
        folders.removeOf(bridge);
    } else {
        folders.removeLeft();
    }
}

RegistryFolder OwnRights::makeRegistry(const std::string &parent, unsigned backlog, pid_t anchor, pid_t pool) {
    return RegistryFolder::make(parent, backlog, anchor, pool);
}

void OwnRights::removeRegistry(const std::string &folder, pid_t anchor) {
    RegistryFolder::remove(folder, anchor);
}

/** The file must belong to this process's user or to root. The list is not for other users, and a
 *  FIFO must not block this process. */
FileDescriptor OwnRights::openDescriptorLog(const std::string &path) {
    FileDescriptor file(
        ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
    struct stat status {};
    if (!file || ::fstat(file.get(), &status) != 0) {
        throw SystemException(path, errno);
    }
    if (!S_ISREG(status.st_mode)) {
        throw IOException(path + " is not a regular file");
    }
    if (status.st_uid != ROOT && status.st_uid != ::geteuid()) {
        throw IOException(
            fmt::format("{} belongs to user {}: make it belong to root, or name another file", path, status.st_uid));
    }
    return file;
}

}  // namespace Passenger
