#pragma once

#include <memory>
#include <string>

#include "exchange/Options.h"
#include "loop/EventLoop.h"
#include "spawning/SpawnManager.h"
#include "spawning/StandardSpawnerFactory.h"
#include "support/CapturedLog.h"
#include "support/LeakCheck.h"

namespace Passenger {

/** An application's folder of its own, which everybody may read. Deleted with all that is in it. */
class ApplicationFolder {
public:
    /** @param startupFile text of its config.ru */
    explicit ApplicationFolder(const std::string &startupFile);
    ~ApplicationFolder();
    ApplicationFolder(const ApplicationFolder &) = delete;
    ApplicationFolder &operator=(const ApplicationFolder &) = delete;

    const std::string &path() const noexcept {
        return path_;
    }
    void setStartupFile(const std::string &text);

private:
    std::string path_;
};

/**
 * For tests that start real Ruby processes: an event loop, a spawn manager with this source tree's spawn server, a
 * captured log, and an application that does next to nothing.
 */
class SpawningFixture : public LeakCheck {
public:
    void setUp() override;
    void tearDown() override;

protected:
    static std::string sourceFolder();
    static SpawnManager::Settings settings();
    /** Of the application. */
    Options options() const;
    /** Text of a startup file that first does what `code` says. */
    static std::string application(const std::string &code = "");
    /** The number behind `label` in the log, where the application has printed it there. */
    pid_t pidInLog(const std::string &label) const;
    static bool exists(pid_t pid);

    std::unique_ptr<CapturedLog> log_;
    std::unique_ptr<ApplicationFolder> folder_;
    std::unique_ptr<EventLoop> loop_;
    std::unique_ptr<SpawnManager> manager_;
    std::unique_ptr<StandardSpawnerFactory> factory_;
};

}  // namespace Passenger
