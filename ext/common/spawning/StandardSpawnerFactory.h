#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "loop/EventLoop.h"
#include "rights/FileOwners.h"
#include "rights/SystemFileOwners.h"
#include "rights/SystemUserDatabase.h"
#include "rights/UserDatabase.h"
#include "rights/UserResolver.h"
#include "spawning/AppGroups.h"
#include "spawning/AppTable.h"
#include "spawning/OutputFiles.h"
#include "spawning/OutputLimits.h"
#include "spawning/SpawnManager.h"
#include "spawning/Spawner.h"
#include "spawning/SpawnerFactory.h"

namespace Passenger {

/**
 * Chooses the Spawner by Options::spawnMethod (PassengerSpawnMethod): "direct", and the smart one
 * otherwise.
 *
 * Owned by main(), outlives its Spawners. Thread-safe; create() never blocks.
 */
class StandardSpawnerFactory final : public SpawnerFactory {
public:
    StandardSpawnerFactory(EventLoop &loop, SpawnManager &manager,
                           LimitCountsPtr counts = std::make_shared<LimitCounts>());

    SpawnerPtr create(const Options &options) override;
    std::optional<FileRights> rightsFor(const Options &options) const override;
    pid_t spawnServerPid() const override;
    /**
     * The user of an application, or the reason why there is none. May block.
     * @throws SystemException
     */
    tl::expected<RunAs, std::string> userOf(const Options &options) const;
    /** What httpd's configuration grants (AgentSettings::grants). */
    void useGrants(const std::string &text) {
        grants_.use(text, std::chrono::steady_clock::now());
    }
    const GrantsInForce &grants() const noexcept {
        return grants_;
    }
    /** Why httpd's configuration does not have these options. Does not block. */
    std::optional<std::string> refusal(const Options &options) const {
        return grants_.refusal(options, std::chrono::steady_clock::now());
    }
    /**
     * Log files may have been renamed.
     * @param configured the paths that httpd's configuration names (OutputFiles::reopen())
     */
    void reopenOutputFiles(const std::string &configured) {
        outputs_.reopen(configured);
    }
    AppGroupPtr groupNamed(const std::string &app, const std::string &name) override {
        return groups_.named(app, name);
    }
    /** See AppGroups::names(). */
    std::vector<std::string> groupNames() const {
        return groups_.names();
    }
    /** See AppGroups::eventsOf(). */
    CgroupEvents groupEventsOf(const std::string &app) {
        return groups_.eventsOf(app);
    }
    /** Forgets users and events of applications, as AppTable::keep(). */
    void keepApps(const std::function<bool(const std::string &)> &isKnown) {
        appUsers_.keep(isKnown);
        groups_.keepEvents(isKnown);
    }
    /** See AppGroups::keep(). */
    void keepGroups(bool kept) noexcept {
        groups_.keep(kept);
    }
    AppFile::NamedBy whoNames(const std::string &path) const {
        return outputs_.whoNames(path);
    }
    /** The limit of an application's lines in the log. */
    std::shared_ptr<OutputLimit> outputLimitOf(const Options &options) {
        return outputLimits_.of(options);
    }
    /** The user as whom each application was last started, or was to be. Nothing: this pool process
     *  has not started it yet. */
    const AppTable<RunAs> &appUsers() const noexcept {
        return appUsers_;
    }

private:
    EventLoop &loop_;
    SpawnManager &manager_;
    const SystemUserDatabase database_;
    const SystemFileOwners owners_{database_};
    GrantsInForce grants_;
    const UserResolver users_;
    OutputFiles outputs_;
    const LimitCountsPtr counts_;
    OutputLimits outputLimits_;
    AppTable<RunAs> appUsers_{Locks::APP_USERS};
    AppGroups groups_;
};

}  // namespace Passenger
