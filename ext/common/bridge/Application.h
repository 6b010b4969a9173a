#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>

#include "bridge/AcceptProbe.h"
#include "bridge/AppAddress.h"
#include "bridge/AppCommand.h"
#include "bridge/AppKeeper.h"

namespace Passenger::Bridge {

/** Says why an application could not be started, and the remedy. */
class StartFailure : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
    /** @param report of our loader: exception class, message and backtrace, with NUL between each
     *  two */
    static StartFailure fromReport(const std::string &report);

    /** The class of the application's exception; empty: there was none. */
    std::string exceptionClass{};
    std::string backtrace{};
    /** From waitpid(), if the command has ended by itself. */
    std::optional<int> status{};
};

/**
 * The application's process as the bridge sees it: its command, its address and its end. Owned by
 * the bridge's main thread, which makes it before there are other threads.
 */
class Application {
public:
    using Deadline = std::chrono::steady_clock::time_point;
    using Options = std::map<std::string, std::string>;

    /**
     * Chooses the address where the application is to listen.
     * @param options of LOAD
     * @param library see AppCommand
     * @throws StartFailure
     */
    Application(const Options &options, const std::string &library);

    /** @throws StartFailure */
    void start();
    /**
     * Waits until a process of the application has accepted a connection.
     * @param agent becomes readable when the agent no longer wants the application
     * @return false: the agent does not want it
     * @throws StartFailure when the command ends first, or at the deadline; no process of the
     *     application is left then
     */
    bool awaitAccepting(int agent, Deadline deadline);

    const AppAddress &address() const noexcept { return address_; }
    /** Whether the server at address() is Node's, with our loader (node_loader.js). */
    bool isNode() const noexcept { return command_.isNode && onSocket_; }
    /** Whether it takes all requests at once: PassengerForceMaxConcurrentRequestsPerProcess sets no
     *  limit. */
    bool takesAll() const noexcept { return takesAll_; }
    /** Readable when the command has ended. */
    int endingDescriptor() const noexcept { return keeper_->descriptor(); }
    AppKeeper::Ending takeEnding() { return keeper_->takeEnding(); }
    // End the application in order (AppKeeper).
    void beginFinish() noexcept { keeper_->beginFinish(); }
    bool isGone() noexcept { return keeper_->isGone(); }
    void finish() { keeper_->finish(); }
    /** For messages. */
    static std::string describe(const AppKeeper::Ending &ending);

private:
    bool acceptsConnections();
    bool connected(AcceptProbe &probe, const AppAddress &address);
    void choosePort();
    void removeFolder() const noexcept;
    bool startOnAnotherPort();
    bool isListener();
    [[noreturn]] void failEnded(const AppKeeper::Ending &ending) const;
    [[noreturn]] void failSilent();
    std::string places() const;
    const char *remedy() const;

    AppCommand command_;
    /** The folder of the Unix socket on which the application may listen; empty: there is none. */
    std::string folder_;
    FileDescriptor folderLock_;
    const std::string host_;
    AppAddress port_;
    bool otherPort_ = false;
    std::optional<AppAddress> socket_;
    /** The connections to port_ and to socket_ by which the bridge looks. */
    AcceptProbe portProbe_;
    AcceptProbe socketProbe_;
    /** Where a probe got a connection last; empty: there was none. */
    std::string listenedOn_;
    AppAddress address_;
    bool onSocket_ = false;
    std::string startTimeout_;
    std::chrono::seconds stopTimeout_;
    bool takesAll_;
    std::optional<AppKeeper> keeper_;
};

}  // namespace Passenger::Bridge
