#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agent/AgentServices.h"
#include "agent/ControlOrders.h"
#include "agent/EventCommand.h"
#include "agent/LogReopening.h"
#include "agent/MonitoredFiles.h"
#include "agent/PoolEngine.h"
#include "base/Clock.h"
#include "base/FileDescriptor.h"
#include "base/Mutex.h"
#include "control/ServerStatus.h"
#include "exchange/Options.h"
#include "io/AgentSettings.h"
#include "loop/EventLoop.h"
#include "pool/ChannelRegistry.h"
#include "pool/DescriptorStore.h"
#include "pool/Pool.h"
#include "pool/SystemCpuLoad.h"
#include "restart/RestartWatch.h"
#include "server/PoolServer.h"
#include "spawning/AppResources.h"
#include "spawning/SpawnManager.h"
#include "spawning/StandardSpawnerFactory.h"
#include "watchdog/StoreEntry.h"

namespace Passenger {

/**
 * The pool process of production. Members are destroyed from the last to the first, so users of the
 * event loop are destroyed before the loop, and the Pool before the AppResources.
 *
 * Owner and threads as PoolEngine says. complete(), the status and the lists are for threads of the
 * members that call them.
 */
class StandardPoolEngine final : public PoolEngine {
public:
    explicit StandardPoolEngine(const PoolEngineParts &parts);
    ~StandardPoolEngine() override;

    void restore(StoreEntry entry) override;
    void begin(const AgentSettings &settings, FileDescriptor serverSocket) override;
    void ping(std::function<void()> answer) override;
    void update(const AgentSettings &settings) override;
    void logReopened(const std::string &number, const std::string &error) override;
    void release() override;
    pid_t spawnServerPid() const override;
    std::string warning() const override;
    void stop() override;

private:
    // Parts of begin() and update().
    void useSettings(const AgentSettings &settings);
    void useGrants(const AgentSettings &settings);
    void beginSpawning(const AgentSettings &settings);
    void startSpawnServer(bool required);
    void takeOver(const AgentSettings &settings);
    void beginPool(const AgentSettings &settings);
    void beginControl();
    void abandonRemoved();

    std::chrono::seconds longestStop();
    std::optional<std::string> complete(Options &options);
    void fillIn(Options &options);
    bool isRemoved(const Options &options) const;
    bool endsUnused() const;
    void endUnused();
    EventCommand::Refusals refusals() const;
    ServerStatus serverStatus();
    void reopenLogs();

    DescriptorStore &store_;
    LogReopening logReopening_;
    const double since_ = secondsSinceEpoch(std::chrono::system_clock::now());
    std::atomic<std::uint64_t> attachesRefused_{0};
    /** Does not change after begin(). */
    std::uint64_t agentKills_ = 0;
    /** Set until all URLs of PassengerPreStart have been requested once. */
    std::atomic<bool> warmingUp_{false};
    /** From then on applications without a request end: httpd has released the agent. */
    std::atomic<MonotonicTime> endsUnusedFrom_{MonotonicTime::max()};
    Mutex mutex_{Locks::POOL_ENGINE};
    AgentSettings settings_ GUARDED_BY(mutex_);
    std::string warning_;
    /** What an earlier pool process has kept of drains. */
    std::string drains_;
    /** The entries that are kept until there is a pool. */
    std::vector<StoreEntry> restored_;

    EventLoop loop_;
    SystemCpuLoad cpu_;
    ChannelRegistry channels_;
    std::optional<SpawnManager> manager_;
    std::optional<AppResources> resources_;
    std::optional<StandardSpawnerFactory> factory_;
    std::optional<Pool> pool_;
    std::optional<RestartWatch> restarts_;
    std::optional<MonitoredFiles> monitored_;
    std::optional<ControlOrders> orders_;
    std::optional<AgentServices> services_;
    std::optional<PoolServer> server_;
};

}  // namespace Passenger
