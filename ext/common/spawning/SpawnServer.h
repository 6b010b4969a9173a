#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>

#include "exchange/Options.h"
#include "io/Frame.h"
#include "loop/EventLoop.h"
#include "rights/HelperProcess.h"
#include "spawning/ProcessOutput.h"
#include "spawning/SpawnSettings.h"
#include "spawning/StartRequest.h"
#include "spawning/StartedProcess.h"

namespace Passenger {

/**
 * One running spawn server: `RUBY --disable=gems …/spawn_server.rb`, with its control socket as
 * descriptor 3 and the Ruby of PassengerDefaultRuby (doc/PROTOCOLS.md, section 4.2). Where the
 * agent runs as root, `passenger-agent run-as` starts it as its user.
 *
 * UserSpawnServer creates, uses and destroys it, one thread at a time, while the event loop runs.
 * The server's output goes to the log. After any exception of start() but SpawnException the two
 * sides may disagree on the next frame: the object must be destroyed.
 */
class SpawnServer {
public:
    using Deadline = std::chrono::steady_clock::time_point;

    struct Identity {
        /** Empty: the agent's user. */
        std::string user;
        /** Empty: the user's primary group. */
        std::string group;
        /** See SpawnServerStart::userOptions. */
        Options::Variables userOptions{};
    };

    /**
     * Starts the server and waits for its HELLO.
     * @param pid set to the server's pid, and to 0 at its end
     * @throws SpawnException, SystemException (Ruby, or as root the agent's program, cannot be
     *     executed)
     */
    SpawnServer(EventLoop &loop, const SpawnSettings &settings, const Identity &identity,
                std::shared_ptr<std::atomic<pid_t>> pid, Deadline deadline);
    /** Closes the control socket, so that the server ends; kills it if it does not. */
    ~SpawnServer();

    /** @return false if the server has ended */
    bool alive() const;
    /** Whether it has ended by itself, because it had no process for some minutes. */
    bool endedIdle() const;
    pid_t pid() const noexcept { return process_.pid(); }
    /**
     * @throws SpawnException (the server gives a reason), IOException and its subclasses,
     *     SystemException
     */
    StartedProcess start(const StartRequest &request, Deadline deadline);

private:
    void answerForked(const StartRequest &request, FrameSocket gate, Deadline deadline);
    void launch(const SpawnSettings &settings, const Identity &identity);
    void followOutput(FileDescriptor pipe, const std::string &user);
    void receiveHello(const std::string &user, Deadline deadline);
    [[noreturn]] void failToStart(const std::string &why);
    void watchEnd();

    EventLoop &loop_;
    const std::shared_ptr<std::atomic<pid_t>> publishedPid_;
    HelperProcess process_;
    /** The server has said that it ends because it had no process. */
    std::atomic<bool> idle_ = false;
    uid_t uid_ = 0;
    FrameSocket control_;
    ProcessOutputPtr output_;
    std::unique_ptr<DescriptorWatcher> endWatcher_;
};

}  // namespace Passenger
