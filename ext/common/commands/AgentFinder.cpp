#include "commands/AgentFinder.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/Exceptions.h"
#include "base/FileDescriptor.h"
#include "base/Lists.h"
#include "base/ProcessStat.h"
#include "commands/CommandFailure.h"
#include "commands/Terminal.h"

namespace Passenger {

namespace {

constexpr std::string_view PREFIX = "passenger.";
constexpr std::size_t RANDOM_LETTERS = 6;
constexpr std::size_t MOST_PROPERTIES = 16384;

std::string defaultFolder() {
    const char *const named = std::getenv("PASSENGER_INSTANCE_REGISTRY_DIR");
    return named != nullptr && *named != '\0' ? named : PASSENGER_RUNTIME_DIR;
}

/** By a descriptor of the folder, since the path of a socket is limited to 107 bytes. */
ControlClient connectIn(int folder) {
    return ControlClient::connect(fmt::format("/proc/self/fd/{}/control", folder));
}

/** Not by the lock on `pid`: while a command had it, an agent that starts would not get it. */
bool answers(int folder) {
    try {
        connectIn(folder);
        return true;
    } catch (const SystemException &error) {
        return error.error() != ECONNREFUSED && error.error() != ENOENT;
    }
}

/** While another pool process starts, nobody answers. @return whether the agent's anchor lives */
bool isAnchored(const RunningAgent &agent) {
    const auto anchor = ProcessStat::of(agent.watchdogPid);
    return anchor && anchor->state != 'Z' && anchor->parent == agent.httpdPid;
}

std::string contentOf(int folder, const char *name) {
    const FileDescriptor file(::openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    std::string text(MOST_PROPERTIES, '\0');
    const ssize_t size = file ? ::read(file.get(), text.data(), text.size()) : 0;
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    return text;
}

/** Anybody may make a folder in one as /tmp. */
bool mayTrust(const struct stat &folder) {
    return folder.st_uid == 0 || folder.st_uid == ::geteuid();
}

std::optional<RunningAgent> agentIn(const std::string &path) {
    const FileDescriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    struct stat status {};
    if (!folder || ::fstat(folder.get(), &status) != 0 || !mayTrust(status)) {
        return std::nullopt;
    }
    RunningAgent agent;
    agent.folder = path;
    agent.name = path.substr(path.rfind('/') + 1 + PREFIX.size());
    agent.properties = contentOf(folder.get(), "properties.json");
    try {
        const auto properties = nlohmann::json::parse(agent.properties);
        agent.version = properties.at("version").get<std::string>();
        agent.watchdogPid = properties.at("pid").get<pid_t>();
        agent.poolPid = properties.at("pool_pid").get<pid_t>();
        agent.httpdPid = properties.at("httpd_pid").get<pid_t>();
        agent.startedAt = properties.at("started_at").get<double>();
    } catch (const nlohmann::json::exception &) {
        // The agent is still writing the file.
        return std::nullopt;
    }
    return answers(folder.get()) || isAnchored(agent) ? std::optional(std::move(agent)) : std::nullopt;
}

/** Whether all belong to one httpd. */
bool ofOneHttpd(const std::vector<RunningAgent> &agents) {
    return std::all_of(agents.begin(), agents.end(),
                       [&agents](const RunningAgent &agent) { return agent.httpdPid == agents.front().httpdPid; });
}

}  // namespace

ControlClient RunningAgent::connect() const {
    const FileDescriptor opened(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    try {
        return connectIn(opened.get());
    } catch (const SystemException &error) {
        if (error.error() == EACCES || error.error() == EPERM) {
            throw CommandFailureException(
                fmt::format("this user may not ask the agent in {}: use sudo, or be the owner of an application",
                            folder),
                ExitStatus::NO_ANSWER);
        }
        const std::string text = fmt::format("the agent in {} does not answer: {}", folder, error.code().message());
        if (error.error() == ECONNREFUSED || error.error() == ENOENT) {
            throw AbsentAgentException(text);
        }
        throw CommandFailureException(text, ExitStatus::NO_ANSWER);
    }
}

AgentFinder::AgentFinder(const Arguments &arguments)
    : folder_(arguments.has("registry-dir") ? arguments.value("registry-dir") : defaultFolder()) {}

/** The paths of folders with an agent's form of name. Any user may have made them. */
std::vector<std::string> AgentFinder::candidates() const {
    std::vector<std::string> paths;
    const std::unique_ptr<DIR, int (*)(DIR *)> listing(::opendir(folder_.c_str()), ::closedir);
    while (const dirent *entry = listing ? ::readdir(listing.get()) : nullptr) {
        const std::string_view name = entry->d_name;
        if (name.starts_with(PREFIX) && name.size() == PREFIX.size() + RANDOM_LETTERS) {
            paths.push_back(fmt::format("{}/{}", folder_, name));
        }
    }
    return paths;
}

std::vector<RunningAgent> AgentFinder::list() const {
    std::vector<RunningAgent> agents;
    for (const std::string &path : candidates()) {
        if (auto agent = agentIn(path)) {
            agents.push_back(std::move(*agent));
        }
    }
    std::sort(agents.begin(), agents.end(), [](const RunningAgent &a, const RunningAgent &b) {
        return std::pair(-a.startedAt, a.name) < std::pair(-b.startedAt, b.name);
    });
    return agents;
}

std::string AgentFinder::nothingFound() const {
    for (const std::string &path : candidates()) {
        struct stat status {};
        if (::lstat(path.c_str(), &status) == 0 && !mayTrust(status)) {
            return fmt::format(
                "no agent of mod_passenger is running for this user. {} belongs to the user with uid {}: if that is "
                "httpd's user, run the command as this user (sudo -u '#{}')",
                singleLine(path), status.st_uid, status.st_uid);
        }
    }
    return fmt::format(
        "no agent of mod_passenger is running, as far as {} shows. If httpd runs and its configuration has "
        "PassengerInstanceRegistryDir or another DefaultRuntimeDir, name that folder in "
        "PASSENGER_INSTANCE_REGISTRY_DIR or by --registry-dir",
        folder_);
}

RunningAgent AgentFinder::choose(const std::string &name) const {
    const auto all = list();
    const auto agents = those(all, [&name](const RunningAgent &agent) { return agent.name.starts_with(name); });
    if (all.empty()) {
        throw CommandFailureException(nothingFound());
    }
    if (agents.empty()) {
        throw CommandFailureException(
            fmt::format("no agent has a name that begins with {}. Running are:\n\n{}", name, agentTable(all)));
    }
    if (agents.size() > 1 && !(name.empty() && ofOneHttpd(agents))) {
        throw CommandFailureException(
            fmt::format("several agents are running. Name one, by passenger-status NAME or by --instance NAME:\n\n{}",
                        agentTable(agents)));
    }
    return agents.front();
}

RunningAgent AgentFinder::chooseByPid(const std::string &watchdogPid) const {
    const auto all = list();
    const auto found = std::find_if(all.begin(), all.end(), [&watchdogPid](const RunningAgent &agent) {
        return std::to_string(agent.watchdogPid) == watchdogPid;
    });
    if (found == all.end()) {
        throw CommandFailureException(
            all.empty() ? nothingFound()
                        : fmt::format("no agent has the pid {}. Running are:\n\n{}", watchdogPid, agentTable(all)));
    }
    return *found;
}

std::string agentTable(const std::vector<RunningAgent> &agents) {
    const std::string head = fmt::format("{:<25}  {:<7}  {}\n{:-<74}\n", "Name", "PID", "Description", "");
    return sumOf(head, agents, [](const RunningAgent &agent) {
        return fmt::format("{:<25}  {:<7}  mod_passenger {} of httpd {}\n", agent.name, agent.watchdogPid,
                           singleLine(agent.version), agent.httpdPid);
    });
}

}  // namespace Passenger
