#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>

#include "base/ChildProcess.h"
#include "io/Frame.h"
#include "loop/EventLoop.h"
#include "spawning/ProcessOutput.h"
#include "spawning/SpawnManager.h"

namespace Passenger {

/**
 * One running spawn server: `RUBY …/spawn_server.rb`, with its control socket as descriptor 3 (doc/PROTOCOLS.md,
 * section 4.2).
 *
 * Made, used and destroyed by SpawnManager, one thread at a time, while the event loop runs. Its own output goes to the
 * log. Once start() has thrown anything but SpawnException, the two sides may be out of step: it must be destroyed.
 */
class SpawnServer {
public:
    using Deadline = std::chrono::steady_clock::time_point;

    /** Starts it and waits for its HELLO. @param pid is set to its pid, and to 0 when it ends
     *  @throws SpawnException, SystemException (Ruby cannot be executed) */
    SpawnServer(EventLoop &loop, const SpawnManager::Settings &settings, std::shared_ptr<std::atomic<pid_t>> pid,
                Deadline deadline);
    /** Asks it to end, by closing its control socket; kills it when it does not. */
    ~SpawnServer();

    /** False when it has ended. */
    bool alive() const;
    /** @throws SpawnException (it says why not), IOException and its kinds, SystemException */
    StartedProcess start(const StartRequest &request, Deadline deadline);

private:
    void launch(const SpawnManager::Settings &settings);
    void receiveHello(const std::string &user, Deadline deadline);
    [[noreturn]] void failToStart(const std::string &why);
    void watchEnd();

    EventLoop &loop_;
    const std::shared_ptr<std::atomic<pid_t>> publishedPid_;
    ChildProcess process_;
    uid_t uid_ = 0;
    FrameSocket control_;
    ProcessOutputPtr output_;
    std::unique_ptr<DescriptorWatcher> endWatcher_;
};

}  // namespace Passenger
