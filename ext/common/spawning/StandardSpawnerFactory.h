#pragma once

#include "loop/EventLoop.h"
#include "spawning/DummySpawner.h"
#include "spawning/FileOwners.h"
#include "spawning/OutputFiles.h"
#include "spawning/SpawnManager.h"
#include "spawning/Spawner.h"
#include "spawning/UserDatabase.h"
#include "spawning/UserResolver.h"

namespace Passenger {

/**
 * Chooses the Spawner by Options::spawnMethod: "direct", "dummy" (tests), and for all else the smart one.
 *
 * Owned by main(), outlives its Spawners. Thread-safe; create() never blocks.
 */
class StandardSpawnerFactory final : public SpawnerFactory {
public:
    StandardSpawnerFactory(EventLoop &loop, SpawnManager &manager);

    SpawnerPtr create(const Options &options) override;
    std::optional<FileRights> rightsFor(const Options &options) const override;
    pid_t spawnServerPid() const override;
    /** Whom an application runs as. May block. @throws SystemException */
    tl::expected<RunAs, std::string> userOf(const Options &options) const;
    /** Log files were perhaps renamed, and httpd's configuration names these (OutputFiles::reopen()). */
    void reopenOutputFiles(const std::string &configured) {
        outputs_.reopen(configured);
    }
    AppFile::NamedBy whoNames(const std::string &path) const {
        return outputs_.whoNames(path);
    }
    /** What "dummy" is served by. */
    DummySpawnerFactory &dummies() noexcept {
        return dummies_;
    }

private:
    EventLoop &loop_;
    SpawnManager &manager_;
    const SystemUserDatabase database_;
    const SystemFileOwners owners_{database_};
    const UserResolver users_;
    OutputFiles outputs_;
    DummySpawnerFactory dummies_;
};

}  // namespace Passenger
