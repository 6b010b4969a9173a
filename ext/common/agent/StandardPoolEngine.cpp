#include "agent/StandardPoolEngine.h"

#include <unistd.h>

#include <algorithm>
#include <exception>
#include <set>
#include <thread>
#include <utility>

#include "agent/AppName.h"
#include "base/DescriptorLimit.h"
#include "base/LimitCounts.h"
#include "base/MemoryPressure.h"
#include "base/ProcessTree.h"
#include "base/SystemClock.h"
#include "log/Log.h"
#include "pool/QueuePauses.h"
#include "rights/Rights.h"

namespace Passenger {

namespace {

using std::chrono::milliseconds;

/** The key under which the watchdog keeps what drains. */
constexpr const char *DRAINS = "drains";

/** The time that instances with a request get at the end. Senders that wait for an answer or
 *  another pool process get no message. */
constexpr std::chrono::seconds STOP_TIME{3};
/** The time for the last lines of applications. */
constexpr std::chrono::seconds OUTPUT_TIME{1};

PoolSettings poolSettings(const AgentSettings &settings) {
    PoolSettings result;
    result.maxSize = settings.maxPoolSize;
    result.maxInstancesPerApp = settings.maxInstancesPerApp;
    result.idleTime = settings.poolIdleTime;
    result.forgetTime = settings.maxAppIdleTime;
    result.memoryBudget = settings.memoryBudget;
    return result;
}

ChildLimits childLimits(const AgentSettings &settings) {
    return {settings.maxChildConnections, settings.maxChildChannels, settings.maxChildApps};
}

SpawnManager::Settings spawnSettings(const AgentSettings &settings) {
    return SpawnManager::Settings{
        settings.spawnServerCommand, settings.rubyCommand, settings.user,   settings.agentProgram(),
        settings.spawnDir,           settings.defaultUser, settings.seccomp};
}

std::optional<ProcessMemory> memoryOf(const Process &process) {
    return Rights::ofThisProcess().memoryOf(process.pid(), process.parts().hasDescendants);
}

/** @param group the folder of a control group; empty: those of the pool process */
double pressureIn(const std::string &group) {
    return group.empty() ? ownMemoryPressure() : memoryPressure(group + "/memory.pressure");
}

/** What the name of an application tells of its options. */
Options optionsIn(const std::string &name) {
    const AppName parts(name);
    Options options;
    options.appRoot = parts.root();
    options.environment = parts.environment();
    options.user = parts.user();
    options.group = parts.group();
    options.appGroupName = name;
    return options;
}

/** Texts that the watchdog keeps, and what tools print, have a name in each line. */
constexpr const char *CONTROL_CHARACTER =
    "the name has a control character, as a line break is one. Rename the application's folder, or set "
    "PassengerAppGroupName";

/** The agent has the name in tables, keys and log lines. In bytes. */
constexpr std::size_t MAX_NAME = 4096;
constexpr const char *TOO_LONG = "the name has more than 4096 bytes";

bool hasControlCharacter(const std::string &name) {
    return std::any_of(name.begin(), name.end(),
                       [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; });
}

std::optional<std::string> refusalOfName(const std::string &name) {
    if (name.size() > MAX_NAME) {
        return TOO_LONG;
    }
    return hasControlCharacter(name) ? std::optional<std::string>(CONTROL_CHARACTER) : std::nullopt;
}

void prepareSpawnDir(const AgentSettings &settings) {
    try {
        Rights::ofThisProcess().prepareSpawnDir(settings.spawnDir);
        Rights::ofThisProcess().removeSocketFolders(settings.spawnDir, 0);
    } catch (const std::exception &error) {
        Log::error(
            "event=spawn_dir.failed error=\"{}\" directive=PassengerSpawnDir consequence=\"applications that "
            "speak HTTP do not start\"",
            error.what());
    }
}

}  // namespace

StandardPoolEngine::StandardPoolEngine(const PoolEngineParts &parts)
    : store_(parts.store), logReopening_(parts.reopenLog), channels_(loop_) {}

StandardPoolEngine::~StandardPoolEngine() {
    stop();
}

void StandardPoolEngine::restore(StoreEntry entry) {
    if (entry.key == DRAINS) {
        drains_ = entry.note;
    } else {
        restored_.push_back(std::move(entry));
    }
}

// ----- Begin and update

void StandardPoolEngine::begin(const AgentSettings &settings, FileDescriptor serverSocket) {
    agentKills_ = settings.agentKills;
    // After a crash the instances live on. Hosts that are upgraded at once must not be held back.
    warmingUp_ = settings.firstAgent && restored_.empty() && !settings.preStart.empty();
    useSettings(settings);
    beginSpawning(settings);
    takeOver(settings);
    beginPool(settings);
    beginControl();
    server_.emplace(
        loop_, *pool_, std::move(serverSocket), [this](Options &options) { return complete(options); },
        [this] { return services_->connectControl(); }, resources_->counts, settings.obeysUsers);
    services_->use(settings, "start");
}

void StandardPoolEngine::update(const AgentSettings &settings) {
    useSettings(settings);
    manager_->configure(spawnSettings(settings));
    pool_->configure(poolSettings(settings));
    restarts_->setInterval(settings.statThrottleRate);
    useGrants(settings);
    server_->configurationChanged();
    abandonRemoved();
    services_->use(settings, "reload");
}

void StandardPoolEngine::useSettings(const AgentSettings &settings) {
    {
        const LockGuard guard(mutex_);
        settings_ = settings;
    }
    channels_.setLimits(childLimits(settings));
    prepareSpawnDir(settings);
}

void StandardPoolEngine::useGrants(const AgentSettings &settings) {
    resources_->grants.use(settings);
    resources_->outputs.reopen(settings.appFiles);
}

void StandardPoolEngine::beginSpawning(const AgentSettings &settings) {
    Rights::ofThisProcess().useGroups(parentOf(::getppid()));
    manager_.emplace(loop_, spawnSettings(settings));
    // After a crash the instances do not wait for Ruby. The next start of an application starts
    // the spawn server.
    if (restored_.empty() || settings.requireSpawnServer) {
        startSpawnServer(settings.requireSpawnServer);
    }
    if (!manager_->canSwitchUsers()) {
        Log::notice(
            "event=users.not_switched uid={} note=\"the agent does not run as root: all applications run as the "
            "agent's user, and PassengerUser has no effect\"",
            ::geteuid());
    }
    resources_.emplace(loop_, *manager_);
    useGrants(settings);
    factory_.emplace(*resources_);
}

void StandardPoolEngine::startSpawnServer(bool required) {
    try {
        manager_->ensureStarted();
    } catch (const std::exception &error) {
        if (required) {
            throw;
        }
        warning_ =
            std::string("the spawn server did not start; the first application starts it again: ") + error.what();
        Log::error("event=spawn_server.failed error=\"{}\"", error.what());
    }
}

/** Keeps what the agent before this one has kept. An earlier pool process of this agent may have
 *  kept something since. */
void StandardPoolEngine::takeOver(const AgentSettings &settings) {
    const auto take = [this](const char *key, const std::string &note, bool known) {
        if (!known && !note.empty()) {
            store_.put(key, note, {});
            restore({key, note, {}});
        }
    };
    take(DRAINS, settings.drains, !drains_.empty());
    take(QueuePauses::KEY, settings.pauses,
         std::any_of(restored_.begin(), restored_.end(),
                     [](const StoreEntry &entry) { return entry.key == QueuePauses::KEY; }));
}

/** Makes the pool, and hands it what an earlier pool process has stored. */
void StandardPoolEngine::beginPool(const AgentSettings &settings) {
    pool_.emplace(Pool::Parts{.loop = loop_,
                              .factory = *factory_,
                              .channels = channels_,
                              .clock = SystemClock::instance(),
                              .store = store_,
                              .cpu = cpu_,
                              .measureMemory = memoryOf,
                              .memoryPressure = pressureIn},
                  poolSettings(settings));
    resources_->lookForRestart = [&pool = *pool_](const std::string &app) { pool.checkRestart(app); };
    // An instance that has ended must not end the group of those that come after it.
    resources_->groups.keep(true);
    for (StoreEntry &entry : std::exchange(restored_, {})) {
        pool_->restore(entry.key, entry.note, std::move(entry.descriptors));
    }
    resources_->groups.keep(false);
    Rights::ofThisProcess().endEarlierGroups(::getpid(), resources_->groups.names());
    restarts_.emplace(
        RestartWatch::Parts{[this] { return pool_->restartFolders(); }, [this] { return pool_->checkRestarts(); }},
        settings.statThrottleRate);
}

/** Makes what answers commands, and the side tasks. */
void StandardPoolEngine::beginControl() {
    monitored_.emplace(*resources_, [this] { return pool_->monitored(); });
    orders_.emplace(
        ControlOrders::Parts{.pool = *pool_,
                             .resources = *resources_,
                             .reopenLogs = [this] { reopenLogs(); },
                             .server = [this] { return serverStatus(); },
                             .warmingUp = [this] { return warmingUp_.load(); },
                             .keepDrains = [this](const std::string &drains) { store_.put(DRAINS, drains, {}); }},
        drains_);
    services_.emplace(AgentServices::Parts{
        .count = [this] { return pool_->getCount(); },
        .monitoredFiles = [this] { return monitored_->list(); },
        .control = {[this](const Asker &asker, const Frame &order) { return orders_->answer(asker, order); },
                    [this] {
                        orders_->tick();
                        endUnused();
                        Rights::ofThisProcess().tidy();
                    },
                    RequestHistory::INTERVAL},
        .refusals = [this] { return refusals(); },
        .preStarted = [this] { warmingUp_ = false; }});
}

/** Ends applications for which no new request can ask any more, or which this agent has no more. */
void StandardPoolEngine::abandonRemoved() {
    for (const Options &options : pool_->applications()) {
        if (isRemoved(options)) {
            pool_->abandon(options.groupName());
        }
    }
    std::set<std::string> left;
    for (OrphanSnapshot &orphan : pool_->orphans()) {
        left.insert(std::move(orphan.app));
    }
    for (const std::string &name : left) {
        if (isRemoved(optionsIn(name))) {
            pool_->abandon(name);
        }
    }
}

// ----- While the engine runs

void StandardPoolEngine::ping(std::function<void()> answer) {
    loop_.post(std::move(answer));
}

void StandardPoolEngine::logReopened(const std::string &number, const std::string &error) {
    logReopening_.ended(number, error);
}

void StandardPoolEngine::release() {
    LockGuard guard(mutex_);
    if (settings_.poolIdleTime > std::chrono::seconds(0)) {
        endsUnusedFrom_ = SystemClock::instance().now() + settings_.poolIdleTime;
    }
}

bool StandardPoolEngine::endsUnused() const {
    return SystemClock::instance().now() >= endsUnusedFrom_.load();
}

/** One connection keeps an old child, and so the released agent, for days. Applications without a
 *  request need not run in both agents meanwhile, whatever their least number of instances is. */
void StandardPoolEngine::endUnused() {
    if (!endsUnused()) {
        return;
    }
    for (const GroupSnapshot &group : pool_->inspect().groups) {
        const bool works = std::any_of(group.processes.begin(), group.processes.end(),
                                       [](const ProcessSnapshot &process) { return process.sessions > 0; });
        if (!works && group.starting == 0 && group.queue.waiting == 0) {
            pool_->abandon(group.name);
        }
    }
}

pid_t StandardPoolEngine::spawnServerPid() const {
    return manager_->spawnServerPid();
}

std::string StandardPoolEngine::warning() const {
    return warning_;
}

/** Fills in the settings that the options leave open. @return why the options are refused */
std::optional<std::string> StandardPoolEngine::complete(Options &options) {
    fillIn(options);
    auto refusal = refusalOfName(options.appGroupName);
    if (!refusal) {
        refusal = resources_->grants.refusal(options, std::chrono::steady_clock::now());
    }
    attachesRefused_ += refusal ? 1 : 0;
    options.removed = !refusal && isRemoved(options);
    if (!refusal && !options.monitoredFiles.empty()) {
        services_->monitor();
    }
    return refusal;
}

void StandardPoolEngine::fillIn(Options &options) {
    const LockGuard guard(mutex_);
    if (options.environment.empty()) {
        options.environment = settings_.environment;
    }
    if (options.ruby.empty()) {
        options.ruby = settings_.rubyCommand;
    }
    if (!settings_.grants.empty()) {
        options.defaultUser = settings_.defaultUser;
        options.defaultGroup = settings_.defaultGroup;
        options.userSwitching = settings_.userSwitching;
    }
    options.appGroupName = options.groupName();
}

bool StandardPoolEngine::isRemoved(const Options &options) const {
    return endsUnused() || resources_->grants.isRemoved(options, std::chrono::steady_clock::now());
}

EventCommand::Refusals StandardPoolEngine::refusals() const {
    EventCommand::Refusals refusals;
    for (const GroupSnapshot &group : pool_->inspect().groups) {
        refusals[group.name] = group.counters.refused;
    }
    return refusals;
}

/** What the pool does not know. */
ServerStatus StandardPoolEngine::serverStatus() {
    ServerStatus status;
    status.version = PASSENGER_VERSION;
    status.watchdogPid = parentOf(::getppid());
    status.poolPid = ::getpid();
    status.httpdPid = parentOf(static_cast<pid_t>(status.watchdogPid));
    status.since = since_;
    status.descriptors = openDescriptors();
    status.descriptorLimit = descriptorLimit();
    status.attachesRefused = attachesRefused_;
    const LimitCounts &counts = *resources_->counts;
    status.connectionsDropped = counts.connectionsDropped;
    status.childConnections = counts.childConnections;
    status.childChannels = counts.childChannels;
    status.childApps = counts.childApps;
    status.allChildren = counts.allChildren;
    status.descriptorsRefused = counts.descriptorsRefused;
    status.logLinesDropped = counts.logLinesDropped;
    status.bootsLimited = counts.bootsLimited;
    status.agentKills = agentKills_;
    return status;
}

void StandardPoolEngine::reopenLogs() {
    std::string files;
    {
        const LockGuard guard(mutex_);
        files = settings_.appFiles;
    }
    resources_->outputs.reopen(files);
    logReopening_.run();
}

// ----- The end

void StandardPoolEngine::stop() {
    logReopening_.cancel();
    restarts_.reset();
    server_.reset();
    if (pool_) {
        // First: the ends of the threads below may wait for the rights process.
        pool_->leave();
    }
    services_.reset();
    monitored_.reset();
    orders_.reset();
    if (pool_) {
        const auto deadline = std::chrono::steady_clock::now() + STOP_TIME + longestStop();
        while ((pool_->getCount() > 0 || pool_->hasOrphans()) && std::chrono::steady_clock::now() < deadline) {
            std::this_thread::sleep_for(milliseconds(5));
        }
        resources_->groups.keep(true);
        pool_.reset();
    }
    factory_.reset();
    // The files of PassengerAppLogFile end with the resources.
    ProcessOutput::awaitReaders(OUTPUT_TIME);
    resources_.reset();
    if (manager_) {
        manager_->removeSocketFolders(0);
    }
    manager_.reset();
    ProcessOutput::awaitReaders(OUTPUT_TIME);
    Rights::ofThisProcess().endGroups(std::chrono::steady_clock::now() + STOP_TIME);
}

/** How long applications may take from SIGTERM on. The watchdog waits little longer than the
 *  settings say. */
std::chrono::seconds StandardPoolEngine::longestStop() {
    const bool orphans = pool_->hasOrphans();
    const std::chrono::seconds longest = pool_->longestStop();
    const LockGuard guard(mutex_);
    return orphans ? settings_.stopTimeout : std::min(longest, settings_.stopTimeout);
}

}  // namespace Passenger
