#pragma once

#include <memory>
#include <string>

#include "exchange/Options.h"
#include "io/RequestQueue.h"
#include "loop/EventLoop.h"
#include "spawning/AppResources.h"
#include "spawning/SpawnManager.h"
#include "spawning/StandardSpawnerFactory.h"
#include "support/CapturedLog.h"
#include "support/LeakCheck.h"

namespace Passenger {

/** A folder for an application, readable for all users. Removed with its content by the
 *  destructor. */
class ApplicationFolder {
public:
    /** @param startupFile text of its config.ru */
    explicit ApplicationFolder(const std::string &startupFile);
    ~ApplicationFolder();
    ApplicationFolder(const ApplicationFolder &) = delete;
    ApplicationFolder &operator=(const ApplicationFolder &) = delete;

    const std::string &path() const noexcept { return path_; }
    void setStartupFile(const std::string &text);

private:
    std::string path_;
};

/**
 * For tests that start real Ruby processes: an event loop, a spawn manager with this source tree's
 * spawn server, a captured log, and a minimal application.
 */
class SpawningFixture : public LeakCheck {
public:
    void setUp() override;
    void tearDown() override;

protected:
    static std::string sourceFolder();
    static SpawnManager::Settings settings();
    Options options() const;
    /** The text of a startup file that first runs `code`. */
    static std::string application(const std::string &code = "");
    /** The number that the application has printed after `label`, from the log. */
    pid_t pidInLog(const std::string &label) const;
    static bool exists(pid_t pid);
    /** Gives an instance its queue, so that it serves and can be reforked. */
    void serve(SpawnResult &instance);
    /** The instance as the agent passes it to refork(). */
    static WarmInstance warm(SpawnResult &instance);

    std::unique_ptr<CapturedLog> log_;
    std::unique_ptr<ApplicationFolder> folder_;
    std::unique_ptr<EventLoop> loop_;
    std::unique_ptr<SpawnManager> manager_;
    std::unique_ptr<AppResources> resources_;
    std::unique_ptr<StandardSpawnerFactory> factory_;
    /** The queue of serve(). */
    std::unique_ptr<RequestQueue> queue_;
};

}  // namespace Passenger
