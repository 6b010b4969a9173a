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
 * One running spawn server: `RUBY …/spawn_server.rb`, with its control socket as descriptor 3
 * (doc/PROTOCOLS.md, section 4.2).
 *
 * SpawnManager creates, uses and destroys it, one thread at a time, while the event loop runs. The
 * server's output goes to the log. After any exception of start() but SpawnException the two sides
 * may disagree on the next frame: the object must be destroyed.
 */
class SpawnServer {
public:
    using Deadline = std::chrono::steady_clock::time_point;

    /**
     * Starts the server and waits for its HELLO.
     * @param pid set to the server's pid, and to 0 at its end
     * @throws SpawnException, SystemException (Ruby cannot be executed)
     */
    SpawnServer(EventLoop &loop, const SpawnManager::Settings &settings, std::shared_ptr<std::atomic<pid_t>> pid,
                Deadline deadline);
    /** Closes the control socket, so that the server ends; kills it if it does not. */
    ~SpawnServer();

    /** @return false if the server has ended */
    bool alive() const;
    /**
     * @throws SpawnException (the server gives a reason), IOException and its subclasses,
     *     SystemException
     */
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
