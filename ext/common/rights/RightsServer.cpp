#include "rights/RightsServer.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <csignal>

#include <fmt/format.h>

#include "base/Exceptions.h"
#include "base/Lists.h"
#include "base/Split.h"
#include "io/AgentFailure.h"
#include "rights/ProcessLineage.h"
#include "rights/RightsMessages.h"

namespace Passenger {

namespace {

constexpr uid_t ROOT = 0;

/** The longest queue that RequestQueue makes. */
constexpr std::uint64_t MOST_ROOM = 512 * 1024 * 1024;

template <typename... Fields> Frame done(const Fields &...fields) {
    return Frame::of(FrameType::RIGHTS_DONE, fields...);
}

Frame withDescriptor(FileDescriptor descriptor) {
    Frame answer = done();
    answer.descriptors.push_back(std::move(descriptor));
    return answer;
}

Frame withHelper(HelperProcess &&helper) {
    Frame answer = done(helper.pid());
    answer.descriptors.push_back(helper.release());
    return answer;
}

bool namesLine(const std::string &lines, const std::string &line) {
    const auto all = split(lines, '\n');
    return std::find(all.begin(), all.end(), line) != all.end();
}

pid_t pidIn(const Frame &request, std::size_t index) {
    const auto pid = static_cast<pid_t>(request.number(index));
    if (pid <= 1) {
        throw ProtocolException(fmt::format("{} is no pid", request.field(index)));
    }
    return pid;
}

/** The user of that name. @throws IOException: it is root, or does not exist */
UserDatabase::User notRoot(const UserDatabase &database, const std::string &name) {
    auto user = database.userNamed(name);
    if (!user || user->uid == ROOT) {
        throw IOException(fmt::format("user \"{}\" {}", name, user ? "is root" : "does not exist"));
    }
    return *std::move(user);
}

unsigned limitIn(const Frame &request, std::size_t index) {
    return static_cast<unsigned>(std::min<std::uint64_t>(request.number(index), UINT_MAX));
}

/** @throws IOException unless the pid is of a process that the agent has started for another user
 *  than root */
void checkIsApplications(pid_t pid, pid_t agent) {
    if (const std::string reason = ProcessLineage::refusal(pid, agent); !reason.empty()) {
        throw IOException(reason);
    }
}

/** To be asked after a look at the process. @return false: it has ended, maybe after the look
 *  @throws IOException as checkIsApplications() */
bool livesForApplication(pid_t pid, pid_t agent) {
    const std::string reason = ProcessLineage::refusal(pid, agent);
    if (!ProcessLineage::userOf(pid)) {
        return false;
    }
    return reason.empty() ? true : throw IOException(reason);
}

std::string isAgents(const std::string &user) {
    return fmt::format(
        "the user \"{}\" is the agent's, and processes of one user can signal each other: set PassengerAgentUser to a "
        "user that nothing else runs as, or remove it",
        user);
}

struct Application {
    FileDescriptor pidFd;
    pid_t pid;
};

/** Such a process, by the pidfd of the request. @throws IOException */
Application applicationIn(Frame &request, pid_t agent) {
    FileDescriptor pidFd = request.takeDescriptor(0);
    const pid_t pid = ProcessLineage::pidOf(pidFd);
    if (pid <= 0) {
        throw IOException("the descriptor is no pidfd of a process that runs");
    }
    checkIsApplications(pid, agent);
    return {std::move(pidFd), pid};
}

}  // namespace

void RightsServer::configure(AgentSettings settings) {
    grants_.use(settings);
    if (settings.appFiles != namedFiles_) {
        earlierNamedFiles_ = std::exchange(namedFiles_, settings.appFiles);
    }
    if (settings.instanceRegistryDir != settings_.instanceRegistryDir) {
        earlierRegistryDir_ = settings_.instanceRegistryDir;
    }
    settings_ = std::move(settings);
}

Frame RightsServer::answer(Frame request) {
    try {
        if (request.type != FrameType::RIGHTS_REQUEST) {
            throw ProtocolException(fmt::format("frame of type {}", static_cast<int>(request.type)));
        }
        return carryOut(request);
    } catch (const std::exception &failure) {
        return describeFailure(failure);
    }
}

/** A verb that is not here does not exist. New ones come last: the fuzzer has their indexes. */
const std::vector<RightsServer::Right> &RightsServer::rights() {
    static const std::vector<Right> all{
        {RightsVerb::USER_OF, &RightsServer::userOf},
        {RightsVerb::START_SPAWN_SERVER, &RightsServer::startSpawnServer},
        {RightsVerb::START_PRE_START, &RightsServer::startPreStart},
        // Both: see open().
        {RightsVerb::APPEND,
         [](auto &server, auto &request) { return server.open(request, &Rights::openForAppending); }},
        {RightsVerb::READ, [](auto &server, auto &request) { return server.open(request, &Rights::openForReading); }},
        {RightsVerb::MODIFIED, &RightsServer::modified},
        {RightsVerb::WATCH, &RightsServer::watch},
        {RightsVerb::FACTS, &RightsServer::facts},
        {RightsVerb::MEMORY, &RightsServer::memory},
        // Only the settings' folder.
        {RightsVerb::PREPARE_SPAWN_DIR,
         [](auto &server, auto & /*request*/) {
             server.own_.prepareSpawnDir(server.settings_.spawnDir);
             return done();
         }},
        // Only in the settings' folder.
        {RightsVerb::REMOVE_SOCKET_FOLDERS,
         [](auto &server, auto &request) {
             server.own_.removeSocketFolders(server.settings_.spawnDir, static_cast<pid_t>(request.number(1)));
             return done();
         }},
        {RightsVerb::MAKE_REGISTRY, &RightsServer::makeRegistry},
        {RightsVerb::REMOVE_REGISTRY, &RightsServer::removeRegistry},
        // Only the settings' file.
        {RightsVerb::DESCRIPTOR_LOG,
         [](auto &server, auto & /*request*/) {
             return withDescriptor(server.own_.openDescriptorLog(server.settings_.descriptorLogFile));
         }},
        {RightsVerb::PLACE, &RightsServer::joinGroup},
        // A process that the agent has started for another user than root.
        {RightsVerb::END_BOOT,
         [](auto &server, auto &request) {
             server.own_.endBoot(applicationIn(request, server.agent_).pidFd);
             return done();
         }},
        // Any user: a number is no secret.
        {RightsVerb::TASKS,
         [](auto &server, auto &request) { return done(server.own_.tasksOf(static_cast<uid_t>(request.number(1)))); }},
        {RightsVerb::START_EVENT_COMMAND, &RightsServer::startEventCommand},
        // A process as for END_BOOT.
        {RightsVerb::PRIORITY,
         [](auto &server, auto &request) {
             server.own_.setPriority(applicationIn(request, server.agent_).pidFd, request.number(1) != 0);
             return done();
         }},
    };
    return all;
}

std::vector<std::string> RightsServer::verbs() {
    return listOf(rights(), [](const Right &right) { return std::string(right.verb); });
}

Frame RightsServer::carryOut(Frame &request) {
    const auto right = std::ranges::find(rights(), request.field(0), &Right::verb);
    if (right == rights().end()) {
        throw ProtocolException("there is no right \"" + request.field(0) + "\"");
    }
    return right->carryOut(*this, request);
}

bool RightsServer::hasOneUser() const {
    return !settings_.user.empty() && settings_.user != "root";
}

void RightsServer::useSettings(Options &options) const {
    if (!settings_.grants.empty()) {
        options.defaultUser = settings_.defaultUser;
        options.defaultGroup = settings_.defaultGroup;
        options.userSwitching = settings_.userSwitching;
    }
}

/** Limited by what httpd's configuration grants, and by the owners of startup files. */
tl::expected<RunAs, std::string> RightsServer::resolve(Options options) {
    useSettings(options);
    auto runAs = own_.userOf(options, resolver_, !hasOneUser());
    if (runAs && runAs->switches() && agentUser_ == runAs->uid) {
        return tl::unexpected(isAgents(runAs->user));
    }
    return runAs;
}

/** The user of the application with these options: no frame names a user for files. @throws
 *  IOException: there is none */
RunAs RightsServer::ownerIn(const Options::Variables &given) {
    RunAs owner;
    if (hasOneUser()) {
        const auto user = notRoot(database_, settings_.user);
        owner = {user.name, "", user.uid, user.gid, ""};
    } else {
        Options options = Options::fromMap(given);
        useSettings(options);
        const auto found = resolver_.ownerOf(options);
        if (!found) {
            throw IOException(found.error());
        }
        owner = *found;
    }
    refuseUser(owner.user);
    return owner;
}

Frame RightsServer::userOf(Frame &request) {
    const auto runAs = resolve(Options::fromMap(request.map(1)));
    return runAs ? done(fieldsOf(*runAs)) : done(runAs.error());
}

/**
 * The program is the configuration's. The user is the one that the options of the application give;
 * without options, the default user.
 */
Frame RightsServer::startSpawnServer(Frame &request) {
    SpawnServerStart server;
    server.rubyCommand = settings_.rubyCommand;
    server.spawnServerCommand = settings_.spawnServerCommand;
    server.agentProgram = settings_.agentProgram();
    server.user = request.field(1);
    server.group = request.field(2);
    if (hasOneUser()) {
        server.user = settings_.user;
        server.group.clear();
    } else if (request.fields.size() == 3) {
        server.user = settings_.defaultUser;
        server.group.clear();
    } else {
        const auto runAs = resolve(Options::fromMap(request.map(3)));
        if (!runAs) {
            throw IOException(runAs.error());
        }
        if (runAs->user != server.user || runAs->group != server.group) {
            throw IOException(
                fmt::format("the application runs as user \"{}\" in group \"{}\", not as \"{}\" in \"{}\"", runAs->user,
                            runAs->group, server.user, server.group));
        }
    }
    refuseUser(server.user);
    const FileDescriptor control = request.takeDescriptor(0);
    const FileDescriptor output = request.takeDescriptor(1);
    server.control = control.get();
    server.output = output.get();
    return withHelper(own_.start(server));
}

/** The program and the user are the configuration's, and the URLs are among its URLs. */
Frame RightsServer::startPreStart(Frame &request) {
    PreStartHelper helper{settings_.rubyCommand, settings_.preStartScript(), settings_.agentProgram(),
                          settings_.defaultUser, settings_.seccomp,          {}};
    helper.urls.insert(request.fields.begin() + 1, request.fields.end());
    for (const std::string &url : helper.urls) {
        if (!namesLine(settings_.preStart, url)) {
            throw IOException(fmt::format("PassengerPreStart does not name \"{}\"", url));
        }
    }
    refuseUser(helper.user);
    const FileDescriptor output = request.takeDescriptor(0);
    helper.output = output.get();
    return withHelper(own_.start(helper));
}

/** The command and the user are the configuration's. The variables only have names of their own. */
Frame RightsServer::startEventCommand(Frame &request) {
    if (settings_.onEvent.empty()) {
        throw IOException("PassengerOnEvent is not set");
    }
    EventCommandStart start{settings_.onEvent, settings_.agentProgram(), settings_.defaultUser, {}};
    start.variables.assign(request.fields.begin() + 1, request.fields.end());
    for (const std::string &variable : start.variables) {
        if (!variable.starts_with(EventCommandStart::PREFIX) || variable.find('=') == std::string::npos ||
            variable.find('\0') != std::string::npos) {
            throw IOException(fmt::format("the command of PassengerOnEvent gets no variable \"{}\"", variable));
        }
    }
    refuseUser(start.user);
    const FileDescriptor output = request.takeDescriptor(0);
    start.output = output.get();
    return withHelper(own_.start(start));
}

/** @throws IOException for root, the agent's user, and one that does not exist */
void RightsServer::refuseUser(const std::string &name) {
    if (agentUser_ == notRoot(database_, name).uid) {
        throw IOException(isAgents(name));
    }
}

/** A process that the agent has started for another user than root; and a group of that user. The
 *  limits may be any: the pool process may also leave this message out. */
Frame RightsServer::joinGroup(Frame &request) {
    if (pool_ == 0) {
        // Its requests have other fields.
        throw IOException("the agent is of an earlier version: reload httpd");
    }
    const auto [pidFd, pid] = applicationIn(request, agent_);
    GroupRequest wanted;
    wanted.group = request.field(1);
    wanted.label = request.field(2);
    wanted.pool = pool_;
    wanted.limits = {limitIn(request, 3), limitIn(request, 4), limitIn(request, 5)};
    wanted.bootTasks = limitIn(request, 6);
    if (!wanted.group.empty() && Cgroups::userOf(wanted.group) != ProcessLineage::userOf(pid)) {
        throw IOException(fmt::format("the group \"{}\" is none of the user of process {}", wanted.group, pid));
    }
    const GroupJoined joined = own_.joinGroup(pidFd, wanted);
    return done(joined.group, joined.taskLimit, joined.path, joined.problems);
}

void RightsServer::endGroups(const Frame &order) {
    const std::string &group = order.field(0);
    if (!group.empty()) {
        own_.endGroup(group);
        return;
    }
    own_.endEarlierGroups(pool_, {order.fields.begin() + 1, order.fields.end()});
}

/** Only files that httpd's configuration names, with the rights of AppFile for an application's
 *  user. */
Frame RightsServer::open(const Frame &request, Open open) {
    const std::string &path = request.field(1);
    const bool named = namesLine(namedFiles_, path);
    if (!named && !namesLine(earlierNamedFiles_, path) && !settings_.grants.empty()) {
        throw IOException(path + ": httpd's configuration does not name this file");
    }
    const RunAs owner = ownerIn(request.map(2));
    const auto namedBy = named ? AppFile::NamedBy::CONFIGURATION : AppFile::NamedBy::CHILD;
    return withDescriptor((own_.*open)(path, owner, namedBy));
}

/** Each look is with the rights of an application's user. One that fails, or is refused, has no
 *  result. */
template <typename One> Frame RightsServer::look(const Frame &request, One one) {
    Frame answer = done();
    for (std::size_t next = 1; next < request.fields.size();) {
        FolderLook look;
        look.writes = request.number(next++) != 0;
        look.folders = listIn(request, next);
        const Frame options(FrameType::RIGHTS_REQUEST, listIn(request, next));
        if (look.folders.empty()) {
            throw ProtocolException("a look at no folder");
        }
        std::vector<std::string> result;
        try {
            look.user = ownerIn(options.map(0));
            result = one(look);
        } catch (const std::exception &) {
            // The others are looked at.
        }
        addList(answer, result);
    }
    return answer;
}

/** Only the two names of restart files. See look(). */
Frame RightsServer::modified(Frame &request) {
    return look(request, [this](const FolderLook &look) {
        const auto times = own_.modified({look}).at(0);
        return times ? std::vector{times->restart, times->alwaysRestart} : std::vector<std::string>();
    });
}

/** The watches belong to the pool process's own inotify instance. See look(). */
Frame RightsServer::watch(Frame &request) {
    const FileDescriptor inotify = request.takeDescriptor(0);
    return look(request, [&](const FolderLook &look) {
        return listOf(own_.watch(inotify, {look}).at(0), [](int watch) { return std::to_string(watch); });
    });
}

Frame RightsServer::facts(Frame &request) {
    const pid_t pid = pidIn(request, 1);
    const ProcessFacts::Files files = own_.procFilesOf(pid);
    if (!livesForApplication(pid, agent_)) {
        return done("", "", "");
    }
    return done(files.environ, files.status, files.limits);
}

Frame RightsServer::memory(Frame &request) {
    const pid_t pid = pidIn(request, 1);
    const bool descendants = request.number(2) != 0;
    const auto memory = own_.memoryOf(pid, descendants);
    if (!memory || !livesForApplication(pid, agent_)) {
        return done();
    }
    return done(memory->proportional, memory->privateClean, memory->privateDirty, memory->swap,
                memory->swapProportional, memory->anonymous);
}

Frame RightsServer::makeRegistry(Frame &request) {
    RegistryFolder folder =
        own_.makeRegistry(settings_.instanceRegistryDir, static_cast<unsigned>(request.number(1)), agent_, pool_);
    Frame answer = done(folder.path);
    answer.descriptors.push_back(std::move(folder.lock));
    answer.descriptors.push_back(std::move(folder.socket));
    answer.descriptors.push_back(std::move(folder.folder));
    return answer;
}

/** Only a folder of this agent, in the settings' folder, or in the one before the last change. */
Frame RightsServer::removeRegistry(Frame &request) {
    const std::string &path = request.field(1);
    if (!RegistryFolder::isIn(settings_.instanceRegistryDir, path) &&
        !RegistryFolder::isIn(earlierRegistryDir_, path)) {
        throw IOException(path + " is no folder of an agent in PassengerInstanceRegistryDir");
    }
    own_.removeRegistry(path, agent_);
    return done();
}

void RightsServer::giveRoom(const FileDescriptor &socket, std::uint64_t bytes) noexcept {
    own_.giveRoom(socket, static_cast<int>(std::min(bytes, MOST_ROOM)));
}

std::string RightsServer::signal(const FileDescriptor &pidFd, int signal) {
    constexpr std::array SIGNALS{SIGKILL, SIGTERM, SIGQUIT};
    if (std::find(SIGNALS.begin(), SIGNALS.end(), signal) == SIGNALS.end()) {
        return fmt::format("signal {} is none that the pool process may send", signal);
    }
    const pid_t pid = ProcessLineage::pidOf(pidFd);
    // A negative number: the process has ended.
    if (pid < 0) {
        return "";
    }
    std::string reason = pid == 0 ? "the descriptor is no pidfd" : ProcessLineage::signalRefusal(pid, agent_);
    if (reason.empty()) {
        own_.signal(pidFd, signal);
    }
    return reason;
}

}  // namespace Passenger
