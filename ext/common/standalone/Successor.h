#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/ChildProcess.h"
#include "loop/EventLoop.h"

namespace Passenger {

/**
 * Another process of this program, by the same command line, which takes the listening sockets over: that is how a new version of the program
 * itself comes to work. When it is ready it ends this one (SIGTERM). Owned and used on the loop.
 */
class Successor {
public:
    /** By this environment variable the successor knows whom to end. */
    static constexpr const char *PREDECESSOR = "PASSENGER_PREFORK_PREDECESSOR";

    /** @param arguments as main() got them, but for the program's name
     *  @param sockets which it gets by the same numbers
     *  @param ended called on the loop when it has ended, which may destroy this. @throws SystemException */
    Successor(EventLoop &loop, const std::vector<std::string> &arguments, const std::vector<int> &sockets,
              std::function<void(int status)> ended);
    ~Successor();
    Successor(const Successor &) = delete;
    Successor &operator=(const Successor &) = delete;

    pid_t pid() const noexcept {
        return process_.pid();
    }
    /** Tells it to end. */
    void end();
    /** Lets it live on. */
    void release() noexcept;

    /** In the successor: ends the predecessor, once; nothing where there is none. @return its pid, or 0 */
    static pid_t endPredecessor();
    /** Which program a successor is: the file at this path at that time, which may be a newer one. To be called first of all.
     *  @throws std::filesystem::filesystem_error */
    static void rememberProgram();

private:
    ChildProcess process_;
    std::function<void(int status)> ended_;
    std::unique_ptr<DescriptorWatcher> watcher_;
};

}  // namespace Passenger
