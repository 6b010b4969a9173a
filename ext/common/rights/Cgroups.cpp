#include "rights/Cgroups.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <sstream>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "base/FileContent.h"
#include "base/FileDescriptor.h"
#include "base/PidFd.h"
#include "base/Split.h"
#include "base/WholeNumber.h"
#include "log/Log.h"
#include "rights/CgroupPlace.h"

namespace Passenger {

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr std::string_view FOLDER = "passenger.";
constexpr mode_t MODE = 0755;
/** Nobody else can open the folder, and so lock it. */
constexpr mode_t FOLDERS_MODE = 0711;
constexpr unsigned MOST_LOCK_ATTEMPTS = 50;
/** PROC_PID_INIT_INO in Linux. */
constexpr ino_t FIRST_PID_NAMESPACE = 0xEFFFFFFC;
constexpr std::size_t MOST_OF_A_LABEL = 40;
/** Killed processes end soon. */
constexpr auto ENDING_PAUSE = 20ms;
constexpr auto ENDING_LIMIT = 60s;
constexpr unsigned MOST_PASSES = 20;
constexpr auto LEFTOVERS_PAUSE = 1s;

/** Files of the kernel: one write is one order. @return 0, or an errno value */
int writeTo(const std::string &path, const std::string &text) {
    const FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    return file && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 0 : errno;
}

bool hasWord(const std::string &text, const std::string &word) {
    std::istringstream words(text);
    const std::istream_iterator<std::string> end;
    return std::find(std::istream_iterator<std::string>(words), end, word) != end;
}

/** The value behind `key` in a file of lines `KEY VALUE`. */
std::uint64_t valueOf(const std::string &text, std::string_view key) {
    std::istringstream words(text);
    std::string name;
    for (std::uint64_t value = 0; words >> name >> value;) {
        if (name == key) {
            return value;
        }
    }
    return 0;
}

bool isPart(char character) {
    return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
           (character >= '0' && character <= '9') || character == '-' || character == '_';
}

/** `LABEL-uUID-pPOOL-NUMBER` */
struct Name {
    uid_t user = 0;
    pid_t pool = 0;
};

std::optional<Name> parse(const std::string &name) {
    const auto parts = split(name, '-');
    if (parts.size() < 4 || name.size() > NAME_MAX || !std::all_of(name.begin(), name.end(), isPart)) {
        return std::nullopt;
    }
    const auto &user = parts[parts.size() - 3];
    const auto &pool = parts[parts.size() - 2];
    if (!user.starts_with('u') || !pool.starts_with('p') || !wholeNumber<unsigned>(parts.back())) {
        return std::nullopt;
    }
    const auto uid = wholeNumber<uid_t>(std::string_view(user).substr(1));
    const auto pid = wholeNumber<pid_t>(std::string_view(pool).substr(1));
    return uid && pid ? std::optional(Name{*uid, *pid}) : std::nullopt;
}

std::vector<std::string> foldersIn(const std::string &path) {
    std::vector<std::string> folders;
    std::error_code error;
    for (fs::directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error)) {
        std::error_code ignored;
        if (entry->is_directory(ignored) && !entry->is_symlink(ignored)) {
            folders.push_back(entry->path().filename());
        }
    }
    return folders;
}

/** Before Linux 5.14. A pidfd, and a second look, since the pid may be used again. */
void killEach(const std::string &group) {
    std::istringstream pids(fileContent(group + "/cgroup.procs"));
    for (std::string pid; pids >> pid;) {
        try {
            const FileDescriptor pidFd = openPidFd(wholeNumber<pid_t>(pid).value_or(0));
            if (hasWord(fileContent(group + "/cgroup.procs"), pid)) {
                signalPidFd(pidFd, SIGKILL);
            }
        } catch (const SystemException &) {
            // It has ended.
        }
    }
}

/** With the groups below it. */
void kill(const std::string &group) {
    if (writeTo(group + "/cgroup.kill", "1") == 0) {
        return;
    }
    killEach(group);
    for (const std::string &folder : foldersIn(group)) {
        killEach(fmt::format("{}/{}", group, folder));
    }
}

/** @return whether nothing is left of it */
bool remove(const std::string &group) {
    for (const std::string &folder : foldersIn(group)) {
        ::rmdir(fmt::format("{}/{}", group, folder).c_str());
    }
    return ::rmdir(group.c_str()) == 0 || errno == ENOENT;
}

/** The inode number of this process's PID namespace. */
ino_t pidNamespace() {
    struct stat status {};
    return ::stat("/proc/self/ns/pid", &status) == 0 ? status.st_ino : FIRST_PID_NAMESPACE;
}

/** The agent of a folder. */
struct Owner {
    pid_t agent = 0;
    ino_t pidNamespace = 0;
};

std::optional<Owner> ownerOf(const std::string &folder) {
    if (!folder.starts_with(FOLDER)) {
        return std::nullopt;
    }
    const auto parts = split(folder.substr(FOLDER.size()), '.');
    const auto agent = parts.empty() ? std::nullopt : wholeNumber<pid_t>(parts.front());
    const auto place = parts.size() == 2 ? wholeNumber<ino_t>(parts.back()) : std::optional(FIRST_PID_NAMESPACE);
    return agent && place && *agent > 0 && parts.size() <= 2 ? std::optional(Owner{*agent, *place}) : std::nullopt;
}

FileDescriptor openedFolder(const std::string &path) {
    return FileDescriptor(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

/** The kernel tells 0 for the pid of a process that is not in this process's PID namespace. */
bool hasStrangers(const std::string &group) {
    if (hasWord(fileContent(group + "/cgroup.procs"), "0")) {
        return true;
    }
    const auto folders = foldersIn(group);
    return std::any_of(folders.begin(), folders.end(), [&](const std::string &folder) {
        return hasWord(fileContent(fmt::format("{}/{}/cgroup.procs", group, folder)), "0");
    });
}

/**
 * Whether it is proved that the agent of this folder has ended. No process of it has the lock, and
 * no process of that pid lives, if it can be in this PID namespace.
 * @return the lock on the folder; none: the agent may live
 */
FileDescriptor lockOfDead(const std::string &place, const std::string &name) {
    const auto owner = ownerOf(name);
    const std::string path = fmt::format("{}/{}", place, name);
    if (!owner || (owner->pidNamespace == pidNamespace() && (::kill(owner->agent, 0) == 0 || errno != ESRCH))) {
        return {};
    }
    FileDescriptor folder = openedFolder(path);
    return folder && ::flock(folder.get(), LOCK_EX | LOCK_NB) == 0 && !hasStrangers(path) ? std::move(folder)
                                                                                          : FileDescriptor();
}

}  // namespace

Cgroups::Cgroups(std::string place, pid_t agent) : place_(std::move(place)), folder_(place_ + "/" + folderOf(agent)) {
    openFolder();
    const std::string limit = folder_ + "/cgroup.max.descendants";
    if (const int error = writeTo(limit, std::to_string(MAX_GROUPS)); error != 0) {
        Log::warn("event=cgroups.limit_without_effect error=\"the agent may have any number of groups: {}: {}\"", limit,
                  strerror(error));
    }
    findLeftovers(std::chrono::steady_clock::now());
}

std::string Cgroups::folderOf(pid_t agent) {
    const ino_t place = pidNamespace();
    return place == FIRST_PID_NAMESPACE ? fmt::format("{}{}", FOLDER, agent)
                                        : fmt::format("{}{}.{}", FOLDER, agent, place);
}

/** Another agent may have the lock for a moment, and may remove a folder before it is locked. */
void Cgroups::openFolder() {
    for (unsigned attempt = 1;; ++attempt) {
        if (::mkdir(folder_.c_str(), FOLDERS_MODE) != 0 && errno != EEXIST) {
            throw SystemException("mkdir(\"" + folder_ + "\")", errno);
        }
        lock_ = openedFolder(folder_);
        const bool locked = lock_ && ::flock(lock_.get(), LOCK_SH | LOCK_NB) == 0;
        const int error = errno;
        struct stat mine {};
        struct stat named {};
        if (locked && ::fstat(lock_.get(), &mine) == 0 && ::stat(folder_.c_str(), &named) == 0 &&
            mine.st_ino == named.st_ino) {
            return;
        }
        if (attempt == MOST_LOCK_ATTEMPTS) {
            throw SystemException("the lock on \"" + folder_ + "\"", locked ? ENOENT : error);
        }
        ::poll(nullptr, 0, static_cast<int>(ENDING_PAUSE.count()));
    }
}

std::string Cgroups::controllers() const {
    std::string text = fileContent(place_ + "/cgroup.controllers");
    text.erase(std::find(text.begin(), text.end(), '\n'), text.end());
    return text;
}

std::string Cgroups::make(const std::string &label, uid_t user, pid_t pool) {
    std::string clean = label.substr(0, MOST_OF_A_LABEL);
    std::replace_if(
        clean.begin(), clean.end(), [](char character) { return !isPart(character); }, '_');
    for (unsigned number = 1;; ++number) {
        std::string name = fmt::format("{}-u{}-p{}-{}", clean, user, pool, number);
        if (::mkdir(pathOf(name).c_str(), MODE) == 0) {
            return name;
        }
        if (errno != EEXIST) {
            throw SystemException("mkdir(\"" + pathOf(name) + "\")", errno);
        }
    }
}

std::optional<uid_t> Cgroups::userOf(const std::string &name) {
    const auto parts = parse(name);
    return parts ? std::optional(parts->user) : std::nullopt;
}

std::vector<std::string> Cgroups::limit(const std::string &name, const CgroupLimits &limits) {
    constexpr std::uint64_t MB = 1024 * 1024;
    const auto most = [](std::uint64_t value) { return value == 0 ? "max" : std::to_string(value); };
    std::vector<std::string> problems;
    for (std::string problem : {set(name, "memory.max", "PassengerMemoryMax", most(limits.memory * MB), "max"),
                                set(name, "cpu.weight", "PassengerCpuWeight",
                                    limits.cpuWeight == 0 ? "100" : std::to_string(limits.cpuWeight), "100"),
                                set(name, "pids.max", "PassengerTasksMax", most(limits.tasks), "max")}) {
        if (!problem.empty()) {
            problems.push_back(std::move(problem));
        }
    }
    return problems;
}

/** @param none what a new group has, as if without a limit
 *  @return why the limit has no effect; empty: it has one, or there is none */
std::string Cgroups::set(const std::string &name, const char *file, const char *directive, const std::string &value,
                         const char *none) {
    const std::string path = pathOf(name) + "/" + file;
    const bool limits = value != none;
    if (::access(path.c_str(), F_OK) != 0) {
        if (!limits) {
            return "";
        }
        const std::string controller(file, std::strchr(file, '.'));
        if (std::string problem = enable(controller, directive); !problem.empty()) {
            return problem;
        }
    }
    const int error = writeTo(path, value);
    return error == 0 || !limits ? "" : fmt::format("{} has no effect: {}: {}", directive, path, strerror(error));
}

/** @return why the groups cannot have the controller */
std::string Cgroups::enable(const std::string &controller, const char *directive) const {
    if (!hasWord(fileContent(place_ + "/cgroup.controllers"), controller)) {
        return fmt::format(
            "{} has no effect: the group {} has no controller \"{}\". Remedy: systemd gives it by Delegate=yes in "
            "httpd's "
            "unit; a hierarchy of cgroup v1 that has it must not be mounted",
            directive, place_, controller);
    }
    for (const std::string &group : {place_, folder_}) {
        const int error = setController(group, controller);
        if (error == EBUSY) {
            return fmt::format(
                "{} has no effect: the group {} has processes of its own, so it cannot give the controller \"{}\" to "
                "groups below it. Remedy: start httpd in a group below it (systemd: Delegate=yes)",
                directive, group, controller);
        }
        if (error != 0) {
            return fmt::format("{} has no effect: {}/cgroup.subtree_control: {}", directive, group, strerror(error));
        }
    }
    return "";
}

/**
 * The kernel refuses the controller memory to a group with processes. With cpu or pids it makes the
 * group the root of threaded groups. The groups below it then take no processes, and systemd can
 * start none for the unit. So a reload of the unit ends httpd (cgroups(7), "Thread mode"). The root
 * of the hierarchy, which has no cgroup.type, may give all.
 * @return 0 or an errno; EBUSY: the group has processes of its own, and cannot be vacated
 */
int Cgroups::setController(const std::string &group, const std::string &controller) const {
    const bool isRoot = ::access((group + "/cgroup.type").c_str(), F_OK) != 0;
    for (unsigned pass = 0; pass < MOST_PASSES; ++pass) {
        if (isRoot || fileContent(group + "/cgroup.procs").empty()) {
            const int error = writeTo(group + "/cgroup.subtree_control", "+" + controller);
            if (error != EBUSY) {
                return error;
            }
        }
        if (group != place_ || !vacate()) {
            break;
        }
    }
    return EBUSY;
}

/**
 * Moves the processes of the place into a group below it, where systemd 254 and newer puts them by
 * DelegateSubgroup=httpd. A group that gives controllers has no processes of its own (cgroups(7)).
 * A process may fork meanwhile, so one pass may leave some.
 * @return whether the place is delegated, so that its processes are httpd's
 */
bool Cgroups::vacate() const {
    const std::string below = place_ + std::string(HTTPD);
    if (!CgroupPlace::isMarked(place_) || (::mkdir(below.c_str(), MODE) != 0 && errno != EEXIST)) {
        return false;
    }
    std::istringstream pids(fileContent(place_ + "/cgroup.procs"));
    for (std::string pid; pids >> pid;) {
        writeTo(below + "/cgroup.procs", pid);
    }
    return true;
}

CgroupEvents Cgroups::eventsIn(const std::string &path) {
    const std::string memory = fileContent(path + "/memory.events");
    return {valueOf(memory, "oom_kill"), valueOf(memory, "max"), valueOf(fileContent(path + "/pids.events"), "max")};
}

void Cgroups::add(const std::string &name, pid_t process) {
    const std::string path = pathOf(name) + "/cgroup.procs";
    if (const int error = writeTo(path, std::to_string(process)); error != 0) {
        throw SystemException(path, error);
    }
}

void Cgroups::putBack(pid_t process) {
    const std::string below = place_ + std::string(HTTPD) + "/cgroup.procs";
    const std::string path = ::access(below.c_str(), F_OK) == 0 ? below : place_ + "/cgroup.procs";
    if (const int error = writeTo(path, std::to_string(process)); error != 0) {
        throw SystemException(path, error);
    }
}

void Cgroups::end(const std::string &name) {
    if (!parse(name)) {
        return;
    }
    kill(pathOf(name));
    const LockGuard guard(mutex_);
    ending_.emplace(name, std::chrono::steady_clock::now() + ENDING_LIMIT);
}

void Cgroups::endOthersThan(pid_t pool, const std::vector<std::string> &kept) {
    for (const std::string &name : foldersIn(folder_)) {
        const auto parts = parse(name);
        if (parts && parts->pool != pool && std::find(kept.begin(), kept.end(), name) == kept.end()) {
            end(name);
        }
    }
}

void Cgroups::endAll(Time limit) {
    kill(folder_);
    while (!remove(folder_) && std::chrono::steady_clock::now() < limit) {
        ::poll(nullptr, 0, static_cast<int>(ENDING_PAUSE.count()));
        kill(folder_);
    }
    const LockGuard guard(mutex_);
    ending_.clear();
}

void Cgroups::tidy(Time now) {
    const LockGuard guard(mutex_);
    if (now < nextTidy_) {
        return;
    }
    nextTidy_ = now + ENDING_PAUSE;
    std::erase_if(ending_, [this, now](const auto &entry) { return isOver(entry.first, now >= entry.second); });
    std::erase_if(leftovers_, [this, now](const auto &entry) {
        // The agent may only have been without a process that has the lock.
        const FileDescriptor lock = lockOfDead(place_, entry.first);
        const std::string path = place_ + "/" + entry.first;
        if (lock && now >= entry.second) {
            kill(path);
        }
        return !lock || remove(path);
    });
}

/** Kills what is left of the group. @return whether no further attempt follows */
bool Cgroups::isOver(const std::string &name, bool last) const {
    const std::string path = pathOf(name);
    kill(path);
    const std::string cpu = fileContent(path + "/cpu.stat");
    if (remove(path)) {
        Log::info("event=cgroups.ended group=\"{}\" cpu_ms={}", name, valueOf(cpu, "usage_usec") / 1000);
        return true;
    }
    if (last) {
        Log::error("event=cgroups.not_removed group=\"{}\" note=\"its processes do not end\"", path);
    }
    return last;
}

std::optional<std::chrono::milliseconds> Cgroups::untilTidy() const {
    const LockGuard guard(mutex_);
    if (!ending_.empty()) {
        return ENDING_PAUSE;
    }
    return leftovers_.empty() ? std::nullopt : std::optional<std::chrono::milliseconds>(LEFTOVERS_PAUSE);
}

void Cgroups::findLeftovers(Time now) {
    const LockGuard guard(mutex_);
    for (const std::string &name : foldersIn(place_)) {
        if (lockOfDead(place_, name)) {
            leftovers_.emplace(name, now + LEFTOVERS_MAY_STAY);
        }
    }
}

}  // namespace Passenger
