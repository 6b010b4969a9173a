#include "agent/PoolEngine.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "agent/AgentServices.h"
#include "agent/ControlOrders.h"
#include "agent/InstanceFacts.h"
#include "agent/LogReopening.h"
#include "agent/MonitoredFiles.h"
#include "base/Clock.h"
#include "base/DescriptorLimit.h"
#include "base/LimitCounts.h"
#include "base/MemoryPressure.h"
#include "base/Mutex.h"
#include "base/ProcessTree.h"
#include "base/SystemClock.h"
#include "log/Log.h"
#include "loop/EventLoop.h"
#include "loop/Timer.h"
#include "pool/ChannelRegistry.h"
#include "pool/Pool.h"
#include "pool/SystemCpuLoad.h"
#include "restart/RestartWatch.h"
#include "rights/Rights.h"
#include "server/PoolServer.h"
#include "spawning/SpawnManager.h"
#include "spawning/StandardSpawnerFactory.h"

namespace Passenger {

namespace {

using std::chrono::milliseconds;

/** The key under which the watchdog keeps what drains. */
constexpr const char *DRAINS = "drains";

/** The time that instances with a request get at the end. Senders that wait for an answer or
 *  another pool process get no message. */
constexpr std::chrono::seconds STOP_TIME{3};

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
    try {
        return Rights::ofThisProcess().memoryOf(process.pid(), process.parts().hasDescendants);
    } catch (const std::exception &error) {
        Log::warn("event=memory.unknown pid={} error=\"{}\"", process.pid(), error.what());
        return std::nullopt;
    }
}

std::optional<ProcessMemory> memoryOfInstance(const InstanceFacts::Instance &instance) {
    try {
        return Rights::ofThisProcess().memoryOf(instance.pid, instance.family);
    } catch (const std::exception &) {
        // The instance has ended.
        return std::nullopt;
    }
}

/** The pool process of production. Members are destroyed from the last to the first, so users of
 *  the event loop are destroyed before the loop. */
class StandardPoolEngine final : public PoolEngine {
public:
    explicit StandardPoolEngine(const PoolEngineParts &parts)
        : store_(parts.store), logReopening_(parts.reopenLog), channels_(loop_) {}
    ~StandardPoolEngine() override {
        stop();
    }

    void restore(StoreEntry entry) override {
        if (entry.key == DRAINS) {
            drains_ = entry.note;
        } else {
            restored_.push_back(std::move(entry));
        }
    }

    void begin(const AgentSettings &settings, FileDescriptor serverSocket) override {
        agentKills_ = settings.agentKills;
        useSettings(settings);
        channels_.setLimits(childLimits(settings));
        prepareSpawnDir(settings);
        Rights::ofThisProcess().useGroups(parentOf(::getppid()));
        tidying_.emplace(loop_, [this] { tidyGroups(); });
        loop_.runSync([this] { tidyGroups(); });
        manager_.emplace(loop_, spawnSettings(settings));
        // After a crash the instances do not wait for Ruby. The next start of an application starts
        // the spawn server.
        if (restored_.empty() || settings.requireSpawnServer) {
            startSpawnServer(settings.requireSpawnServer);
        }
        noticeUser();
        factory_.emplace(loop_, *manager_, counts_);
        factory_->useGrants(settings.grants);
        factory_->reopenOutputFiles(settings.appFiles);
        pool_.emplace(Pool::Parts{.loop = loop_,
                                  .factory = *factory_,
                                  .channels = channels_,
                                  .clock = SystemClock::instance(),
                                  .store = store_,
                                  .cpu = cpu_,
                                  .measureMemory = memoryOf,
                                  .memoryPressure = memoryPressure},
                      poolSettings(settings));
        // After a crash the instances live on.
        warmingUp_ = restored_.empty() && !settings.preStart.empty();
        // An instance that has ended must not end the group of those that come after it.
        factory_->keepGroups(true);
        for (StoreEntry &entry : std::exchange(restored_, {})) {
            pool_->restore(entry.key, entry.note, std::move(entry.descriptors));
        }
        factory_->keepGroups(false);
        Rights::ofThisProcess().endEarlierGroups(::getpid(), factory_->groupNames());
        restarts_.emplace(
            RestartWatch::Parts{[this] { return pool_->restartFolders(); }, [this] { return pool_->checkRestarts(); }},
            settings.statThrottleRate);
        monitored_.emplace(MonitoredFiles::Parts{
            .applications = [this] { return pool_->monitored(); },
            .userOf = [this](const Options &options) { return factory_->userOf(options); },
            .whoNames = [this](const std::string &path) { return factory_->whoNames(path); },
            .limitOf = [this](const Options &options) { return factory_->outputLimitOf(options); }});
        facts_.emplace(InstanceFacts::Parts{[this] { return livingInstances(); }, memoryOfInstance});
        orders_.emplace(
            ControlOrders::Parts{.pool = *pool_,
                                 .users = factory_->appUsers(),
                                 .facts = *facts_,
                                 .groupEvents = [this](const std::string &app) { return factory_->groupEventsOf(app); },
                                 .keepApps = [this](const auto &isKnown) { factory_->keepApps(isKnown); },
                                 .reopenLogs = [this] { reopenLogs(); },
                                 .server = [this] { return serverStatus(); },
                                 .warmingUp = [this] { return warmingUp_.load(); },
                                 .keepDrains = [this](const std::string &drains) { store_.put(DRAINS, drains, {}); }},
            drains_);
        services_.emplace(AgentServices::Parts{
            .count = [this] { return pool_->getCount(); },
            .monitoredFiles = [this] { return monitored_->list(); },
            .control = {[this](const Asker &asker, const Frame &order) { return orders_->answer(asker, order); },
                        [this] { orders_->tick(); }, RequestHistory::INTERVAL},
            .refusals = [this] { return refusals(); },
            .preStarted = [this] { warmingUp_ = false; }});
        server_.emplace(
            loop_, *pool_, std::move(serverSocket), [this](Options &options) { return complete(options); },
            [this] { return services_->connectControl(); }, counts_);
        services_->use(settings, "start");
    }

    void ping(std::function<void()> answer) override {
        loop_.post(std::move(answer));
    }

    void update(const AgentSettings &settings) override {
        useSettings(settings);
        channels_.setLimits(childLimits(settings));
        prepareSpawnDir(settings);
        manager_->configure(spawnSettings(settings));
        pool_->configure(poolSettings(settings));
        restarts_->setInterval(settings.statThrottleRate);
        factory_->useGrants(settings.grants);
        factory_->reopenOutputFiles(settings.appFiles);
        server_->configurationChanged();
        abandonRemoved();
        services_->use(settings, "reload");
    }

    void logReopened(const std::string &number, const std::string &error) override {
        logReopening_.ended(number, error);
    }

    pid_t spawnServerPid() const override {
        return manager_->spawnServerPid();
    }

    std::string warning() const override {
        return warning_;
    }

    void stop() override {
        logReopening_.cancel();
        restarts_.reset();
        server_.reset();
        if (pool_) {
            // First: the ends of the threads below may wait for the rights process.
            pool_->leave();
        }
        services_.reset();
        orders_.reset();
        facts_.reset();
        if (pool_) {
            const auto deadline = std::chrono::steady_clock::now() + STOP_TIME + longestStop();
            while ((pool_->getCount() > 0 || pool_->hasOrphans()) && std::chrono::steady_clock::now() < deadline) {
                std::this_thread::sleep_for(milliseconds(5));
            }
            factory_->keepGroups(true);
            pool_.reset();
        }
        factory_.reset();
        if (manager_) {
            manager_->removeSocketFolders(0);
        }
        manager_.reset();
        if (tidying_) {
            loop_.runSync([this] { tidying_.reset(); });
            Rights::ofThisProcess().endGroups(std::chrono::steady_clock::now() + STOP_TIME);
        }
    }

private:
    void tidyGroups() {
        if (const auto next = Rights::ofThisProcess().tidyGroups()) {
            tidying_->start(*next);
        }
    }

    /** How long applications may take from SIGTERM on. The watchdog waits little longer than the
     *  settings say. */
    std::chrono::seconds longestStop() {
        const bool orphans = pool_->hasOrphans();
        const std::chrono::seconds longest = pool_->longestStop();
        const LockGuard guard(mutex_);
        return orphans ? settings_.stopTimeout : std::min(longest, settings_.stopTimeout);
    }

    void useSettings(const AgentSettings &settings) {
        const LockGuard guard(mutex_);
        settings_ = settings;
    }

    bool isRemoved(const Options &options) const {
        return factory_->grants().isRemoved(options, std::chrono::steady_clock::now());
    }

    /** Ends applications for which no new request can ask any more. */
    void abandonRemoved() {
        for (const Options &options : pool_->applications()) {
            if (isRemoved(options)) {
                pool_->abandon(options.groupName());
            }
        }
    }

    static void prepareSpawnDir(const AgentSettings &settings) {
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

    void startSpawnServer(bool required) {
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

    void noticeUser() const {
        if (!manager_->canSwitchUsers()) {
            Log::notice(
                "event=users.not_switched uid={} note=\"the agent does not run as root: all applications run as the "
                "agent's user, and PassengerUser has no effect\"",
                ::geteuid());
        }
    }

    /** Fills in the settings that the options leave open. @return why the options are refused */
    std::optional<std::string> complete(Options &options) {
        fillIn(options);
        auto refusal = factory_->refusal(options);
        attachesRefused_ += refusal ? 1 : 0;
        options.removed = !refusal && isRemoved(options);
        if (!refusal && !options.monitoredFiles.empty()) {
            services_->monitor();
        }
        return refusal;
    }

    std::vector<InstanceFacts::Instance> livingInstances() const {
        std::vector<InstanceFacts::Instance> instances;
        for (const SuperGroupSnapshot &superGroup : pool_->inspect().superGroups) {
            for (const ProcessSnapshot &process : superGroup.groups.front().processes) {
                instances.push_back({process.pid, process.hasDescendants});
            }
        }
        return instances;
    }

    EventCommand::Refusals refusals() const {
        EventCommand::Refusals refusals;
        for (const SuperGroupSnapshot &superGroup : pool_->inspect().superGroups) {
            const GroupSnapshot &group = superGroup.groups.front();
            refusals[group.name] = group.counters.refused;
        }
        return refusals;
    }

    /** What the pool does not know. */
    ServerStatus serverStatus() {
        ServerStatus status;
        status.version = PASSENGER_VERSION;
        status.watchdogPid = parentOf(::getppid());
        status.poolPid = ::getpid();
        status.httpdPid = parentOf(static_cast<pid_t>(status.watchdogPid));
        status.since = since_;
        status.descriptors = openDescriptors();
        status.descriptorLimit = descriptorLimit();
        status.attachesRefused = attachesRefused_;
        status.connectionsDropped = counts_->connectionsDropped;
        status.childConnections = counts_->childConnections;
        status.childChannels = counts_->childChannels;
        status.childApps = counts_->childApps;
        status.allChildren = counts_->allChildren;
        status.descriptorsRefused = counts_->descriptorsRefused;
        status.logLinesDropped = counts_->logLinesDropped;
        status.bootsLimited = counts_->bootsLimited;
        status.agentKills = agentKills_;
        return status;
    }

    void reopenLogs() {
        std::string files;
        {
            const LockGuard guard(mutex_);
            files = settings_.appFiles;
        }
        factory_->reopenOutputFiles(files);
        logReopening_.run();
    }

    void fillIn(Options &options) {
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

    DescriptorStore &store_;
    LogReopening logReopening_;
    const double since_ = secondsSinceEpoch(std::chrono::system_clock::now());
    std::atomic<std::uint64_t> attachesRefused_{0};
    /** Does not change after begin(). */
    std::uint64_t agentKills_ = 0;
    /** Set until all URLs of PassengerPreStart have been requested once. */
    std::atomic<bool> warmingUp_{false};
    const LimitCountsPtr counts_ = std::make_shared<LimitCounts>();
    Mutex mutex_{Locks::POOL_ENGINE};
    AgentSettings settings_ GUARDED_BY(mutex_);
    std::string warning_;
    /** The entries that are kept until there is a pool. */
    std::vector<StoreEntry> restored_;

    EventLoop loop_;
    std::optional<Timer> tidying_;
    SystemCpuLoad cpu_;
    ChannelRegistry channels_;
    std::optional<SpawnManager> manager_;
    std::optional<StandardSpawnerFactory> factory_;
    std::optional<Pool> pool_;
    std::optional<RestartWatch> restarts_;
    std::optional<MonitoredFiles> monitored_;
    std::string drains_;
    std::optional<InstanceFacts> facts_;
    std::optional<ControlOrders> orders_;
    std::optional<AgentServices> services_;
    std::optional<PoolServer> server_;
};

}  // namespace

std::unique_ptr<PoolEngine> makePoolEngine(const PoolEngineParts &parts) {
    return std::make_unique<StandardPoolEngine>(parts);
}

}  // namespace Passenger
