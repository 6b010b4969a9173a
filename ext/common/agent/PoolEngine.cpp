#include "agent/PoolEngine.h"

#include <unistd.h>

#include <algorithm>
#include <optional>
#include <thread>

#include "base/Clock.h"
#include "base/Log.h"
#include "base/Mutex.h"
#include "base/ProcessMemory.h"
#include "base/ProcessTree.h"
#include "io/EventLoop.h"
#include "pool/ChannelRegistry.h"
#include "pool/CpuLoad.h"
#include "pool/Pool.h"
#include "pool/RestartWatch.h"
#include "server/PoolServer.h"
#include "server/Survivors.h"
#include "spawning/SpawnManager.h"
#include "spawning/StandardSpawnerFactory.h"

namespace Passenger {

namespace {

using std::chrono::milliseconds;

/** Instances that have a request when everything ends get so long; who waits for an answer, or for another pool process, is not told. */
constexpr std::chrono::seconds STOP_TIME{3};

PoolSettings poolSettings(const AgentSettings &settings) {
    PoolSettings result;
    result.maxSize = settings.maxPoolSize;
    result.maxInstancesPerApp = settings.maxInstancesPerApp;
    result.idleTime = settings.poolIdleTime;
    return result;
}

SpawnManager::Settings spawnSettings(const AgentSettings &settings) {
    return SpawnManager::Settings{settings.spawnServerCommand, settings.rubyCommand, settings.user,
                                  settings.agentProgram()};
}

std::optional<std::uint64_t> memoryOf(const Process &process) {
    auto sum = proportionalSetSize(process.pid());
    if (sum && process.parts().hasDescendants) {
        for (const pid_t pid : descendantsOf(process.pid())) {
            *sum += proportionalSetSize(pid).value_or(0);
        }
    }
    return sum;
}

/** Everything the pool process consists of, put together. The members' order is the order of seed 001: what needs the loop goes first. */
class StandardPoolEngine final : public PoolEngine {
public:
    explicit StandardPoolEngine(Deposits &deposits)
        : deposits_(deposits), channels_(loop_), survivors_(loop_, deposits) {}
    ~StandardPoolEngine() override {
        stop();
    }

    void restore(Deposit deposit) override {
        survivors_.restore(deposit.key, deposit.note, std::move(deposit.descriptors));
    }

    void begin(const AgentSettings &settings, FileDescriptor serverSocket) override {
        useSettings(settings);
        manager_.emplace(loop_, spawnSettings(settings));
        startSpawnServer(settings.requireSpawnServer);
        noticeUser();
        factory_.emplace(loop_, *manager_);
        pool_.emplace(Pool::Parts{.loop = loop_,
                                  .factory = *factory_,
                                  .channels = channels_,
                                  .clock = SystemClock::instance(),
                                  .deposits = deposits_,
                                  .cpu = cpu_,
                                  .measureMemory = memoryOf},
                      poolSettings(settings));
        restarts_.emplace(
            RestartWatch::Parts{[this] { return pool_->restartFolders(); }, [this] { pool_->checkRestarts(); }},
            settings.statThrottleRate);
        server_.emplace(loop_, *pool_, std::move(serverSocket), [this](Options &options) { complete(options); });
    }

    void update(const AgentSettings &settings) override {
        useSettings(settings);
        manager_->configure(spawnSettings(settings));
        pool_->configure(poolSettings(settings));
        restarts_->setInterval(settings.statThrottleRate);
    }

    pid_t spawnServerPid() const override {
        return manager_->spawnServerPid();
    }

    std::string warning() const override {
        return warning_;
    }

    void stop() override {
        restarts_.reset();
        server_.reset();
        if (pool_) {
            pool_->leave();
            const auto deadline = std::chrono::steady_clock::now() + STOP_TIME;
            while (pool_->getCount() > 0 && std::chrono::steady_clock::now() < deadline) {
                std::this_thread::sleep_for(milliseconds(5));
            }
            pool_.reset();
        }
        factory_.reset();
        manager_.reset();
    }

private:
    void useSettings(const AgentSettings &settings) {
        const LockGuard guard(mutex_);
        settings_ = settings;
    }

    void startSpawnServer(bool required) {
        try {
            manager_->ensureStarted();
        } catch (const std::exception &error) {
            if (required) {
                throw;
            }
            warning_ = std::string("the spawn server did not start, and is tried again with the first application: ") +
                       error.what();
            Log::error("event=spawn_server.failed error=\"{}\"", error.what());
        }
    }

    void noticeUser() const {
        if (!manager_->canSwitchUsers()) {
            Log::notice(
                "event=users.not_switched uid={} note=\"this does not run as root, so all applications run as this "
                "user, whoever owns them and "
                "whatever PassengerUser says\"",
                ::geteuid());
        }
    }

    /** What options leave open is the server's. */
    void complete(Options &options) {
        const LockGuard guard(mutex_);
        if (options.environment.empty()) {
            options.environment = settings_.environment;
        }
        if (options.ruby.empty()) {
            options.ruby = settings_.rubyCommand;
        }
        options.appGroupName = options.groupName();
    }

    Deposits &deposits_;
    Mutex mutex_{Locks::POOL_ENGINE};
    AgentSettings settings_ GUARDED_BY(mutex_);
    std::string warning_;

    EventLoop loop_;
    SystemCpuLoad cpu_;
    ChannelRegistry channels_;
    Survivors survivors_;
    std::optional<SpawnManager> manager_;
    std::optional<StandardSpawnerFactory> factory_;
    std::optional<Pool> pool_;
    std::optional<RestartWatch> restarts_;
    std::optional<PoolServer> server_;
};

}  // namespace

std::unique_ptr<PoolEngine> makePoolEngine(Deposits &deposits) {
    return std::make_unique<StandardPoolEngine>(deposits);
}

}  // namespace Passenger
