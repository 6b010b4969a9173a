#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>

#include "bridge/AppAddress.h"
#include "bridge/AppCommand.h"
#include "bridge/AppKeeper.h"

namespace Passenger::Bridge {

/** Why an application could not be started, with the remedy, for people. */
class StartFailure : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/**
 * The application's process, seen from the bridge: its command, where it listens, how it ends. Made while the bridge has a single thread;
 * afterwards address() may be used from any.
 */
class Application {
public:
    using Deadline = std::chrono::steady_clock::time_point;
    using Options = std::map<std::string, std::string>;

    /** Decides where it is to listen. @param options of LOAD  @param library as AppCommand wants it. @throws StartFailure */
    Application(const Options &options, const std::string &library);

    /** @throws StartFailure */
    void start();
    /** Waits until it takes connections. @param agent a descriptor that becomes readable when nobody wants it any more
     *  @return false: nobody does. @throws StartFailure when the command ends before, or time is up; nothing of it is left then */
    bool awaitListening(int agent, Deadline deadline);

    const AppAddress &address() const noexcept {
        return address_;
    }
    /** Whether it is our own WSGI server that listens there. A startup file may also listen on $PORT itself: then it is the application that speaks HTTP. */
    bool isOurLoader() const noexcept {
        return command_.isOurLoader && onSocket_;
    }
    /** Readable when the command has ended. */
    int endingDescriptor() const noexcept {
        return keeper_->descriptor();
    }
    AppKeeper::Ending takeEnding() {
        return keeper_->takeEnding();
    }
    /** Ends it in order. Waits until all of it is gone. */
    void finish() {
        keeper_->finish();
    }
    /** For people. */
    static std::string describe(const AppKeeper::Ending &ending);

private:
    bool takesConnections();
    void removeFolder() const noexcept;
    bool isListener();
    [[noreturn]] void failEnded();
    [[noreturn]] void failSilent();
    std::string places() const;

    AppCommand command_;
    /** Private, with the socket that the application may listen on; empty: it has no use for one. */
    std::string folder_;
    FileDescriptor folderLock_;
    std::uint16_t portNumber_ = 0;
    AppAddress port_;
    std::optional<AppAddress> socket_;
    AppAddress address_;
    bool onSocket_ = false;
    std::string startTimeout_;
    std::optional<AppKeeper> keeper_;
};

}  // namespace Passenger::Bridge
