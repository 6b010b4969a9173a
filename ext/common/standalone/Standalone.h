#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "base/FileDescriptor.h"
#include "loop/EventLoop.h"
#include "standalone/RackPreFork.h"
#include "standalone/StandaloneOptions.h"
#include "standalone/Successor.h"

namespace Passenger {

/**
 * The program passenger-prefork: a RackPreFork, and the effects of signals. Owned by main(), and
 * run on its thread. Signals are handled on the loop.
 */
class Standalone {
public:
    /** @param arguments of main() without the program's name; a successor gets them */
    Standalone(StandaloneOptions options, std::vector<std::string> arguments);
    ~Standalone();
    Standalone(const Standalone &) = delete;
    Standalone &operator=(const Standalone &) = delete;

    /**
     * Serves until a signal ends it. Blocks signals for good. @return the exit status
     * @throws an exception when the server cannot begin
     */
    int run();

private:
    void takeSignals();
    void handle(int signal, pid_t sender);
    void reapOthers();
    void restart();
    void workersReady();
    void startSuccessor();
    void renewSuccessor();
    void successorEnded(int status);
    void stop(int signal, pid_t sender);
    bool failedToBoot() const;
    int conclude(const std::string &problem);
    void writePidFile() const;
    void removePidFile() const;

    const StandaloneOptions options_;
    const std::vector<std::string> arguments_;
    std::shared_ptr<ListeningSockets> sockets_;
    FileDescriptor signals_;
    std::unique_ptr<EventLoop> loop_;
    std::unique_ptr<RackPreFork> preFork_;
    std::unique_ptr<Successor> successor_;
    std::unique_ptr<DescriptorWatcher> signalWatcher_;
    bool announced_ = false;
    bool toldToStop_ = false;
    /** The successor is ready and has ended this process. */
    bool succeeded_ = false;
    /** A signal has asked for a newer version while the successor loads. */
    bool renew_ = false;
};

}  // namespace Passenger
