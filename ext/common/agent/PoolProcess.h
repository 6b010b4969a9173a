#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/DescriptorStoreClient.h"
#include "agent/PoolEngine.h"
#include "agent/SettingsUpdater.h"
#include "base/FileDescriptor.h"
#include "io/Frame.h"
#include "rights/RightsClient.h"
#include "watchdog/StoreEntry.h"

namespace Passenger {

/**
 * The pool process without its engine. Takes earlier store entries and settings from the watchdog,
 * makes the engine, reports that it is ready, and gives it new settings. Stops the engine when the
 * watchdog orders it. Without the watchdog the process exits, and its instances live on.
 *
 * Owned by main(), whose thread runs it. That thread never runs the event loop, so it can destroy
 * the engine. A thread of its own gives the engine new settings.
 */
class PoolProcess {
public:
    /** @param socket for frames with the watchdog */
    PoolProcess(FileDescriptor socket, PoolEngineFactory makeEngine, std::string confinement);
    ~PoolProcess();
    PoolProcess(const PoolProcess &) = delete;
    PoolProcess &operator=(const PoolProcess &) = delete;

    /** @return the exit status. @throws SystemException */
    int run();

private:
    bool startEngine();
    void begin(Frame begin);
    void useRights(FileDescriptor socket);
    void serve();
    void receive();
    void useReopened(Frame log);
    void update(const Frame &settings);
    void stop();
    void stopEngine() noexcept;

    FrameSocket socket_;
    /** None: this process has the rights itself. */
    std::optional<RightsClient> rights_;
    const PoolEngineFactory makeEngine_;
    const std::string confinement_;
    std::unique_ptr<DescriptorStoreClient> store_;
    std::vector<StoreEntry> restored_;
    std::unique_ptr<PoolEngine> engine_;
    /** Gives the engine new settings: that may wait, and PINGs come meanwhile. */
    std::optional<SettingsUpdater> updater_;
    bool ending_ = false;
};

}  // namespace Passenger
