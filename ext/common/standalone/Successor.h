#pragma once

#include <csignal>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/ChildProcess.h"
#include "loop/EventLoop.h"
#include "standalone/ListeningSockets.h"
#include "standalone/StandaloneOptions.h"

namespace Passenger {

/**
 * A process with the same command line that takes the listening sockets over. So a new version of
 * the program replaces this one. The successor ends this process (SIGTERM) when it is ready. Owned
 * and used on the loop.
 */
class Successor {
public:
    /** The environment variable that tells the successor the pid of the process to end. */
    static constexpr const char *PREDECESSOR = "PASSENGER_PREFORK_PREDECESSOR";

    /**
     * @param arguments of main() without the program's name
     * @param options its application
     * @param sockets the successor inherits their descriptors with the same numbers
     * @param ended called on the loop when the successor has ended; may destroy this object
     * @throws SystemException
     */
    Successor(EventLoop &loop, const std::vector<std::string> &arguments, const StandaloneOptions &options,
              const ListeningSockets &sockets, std::function<void(int status)> ended);
    ~Successor();
    Successor(const Successor &) = delete;
    Successor &operator=(const Successor &) = delete;

    pid_t pid() const noexcept { return process_.pid(); }
    void end();
    /** Has a successor that is ready load the application anew. */
    void restart() { process_.signal(SIGHUP); }
    bool toldToEnd() const noexcept { return toldToEnd_; }
    /** The successor stays when this object is destroyed. */
    void release() noexcept;

    /**
     * In the successor: ends the predecessor, once. @return its pid, or 0 without a predecessor
     */
    static pid_t endPredecessor();
    /**
     * Remembers this program's path for successors. At that path there may be a newer file by then.
     * Called first of all. @throws std::filesystem::filesystem_error
     */
    static void rememberProgram();

private:
    ChildProcess process_;
    std::function<void(int status)> ended_;
    std::unique_ptr<DescriptorWatcher> watcher_;
    bool toldToEnd_ = false;
};

}  // namespace Passenger
