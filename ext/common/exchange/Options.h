#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

namespace Passenger {

/**
 * What to run and how: the argument of Pool::get(). A plain value; compared by nobody, since what
 * is one application is decided by groupName() alone. Of several requests for one group, the first
 * one's options are used to make it, later ones' to spawn.
 */
struct Options {
    using Variables = std::map<std::string, std::string>;

    /** The application's folder, absolute. */
    std::string appRoot;
    /** RAILS_ENV, RACK_ENV, … */
    std::string environment = "production";
    /** Which instances are one application; empty: "APPROOT (ENVIRONMENT)". */
    std::string appGroupName;
    std::string startupFile = "config.ru";
    /** Relative to appRoot, or absolute. */
    std::string restartDir = "tmp";
    std::string baseUri;
    /** "rack", or "node" or "wsgi", whose instances speak HTTP, as do those of a startCommand. */
    std::string appType = "rack";
    /** A shell command that serves HTTP on $PORT; empty: the startup file is run by what its type
     *  says. */
    std::string startCommand;
    /** The IP address that such an application listens on. */
    std::string instanceAddress = "127.0.0.1";
    std::string python = "python3";
    std::string nodejs = "node";

    std::string ruby = "ruby";
    /** "smart" or "direct" (or "dummy", in tests). */
    std::string spawnMethod = "smart";
    /** Empty: the owner of the startup file, its primary group. */
    std::string user;
    std::string group;
    /** Instead of root or of an unknown owner. Empty group: the user's primary one. */
    std::string defaultUser = "nobody";
    std::string defaultGroup;
    bool userSwitching = true;
    /** The user's login shell reads its profile before the application is started. */
    bool loadShellEnvvars = true;

    unsigned minInstances = 1;
    /** 0: no limit of its own. */
    unsigned maxInstances = 0;
    /** So many at once when the application starts from none; 0: as many as there are requests
     *  for. */
    unsigned startInstances = 0;
    /** So many instances are kept without a request while the application is in use; and of more
     *  than that some end. 0: no such limit. */
    unsigned minSpareInstances = 0;
    unsigned maxSpareInstances = 0;
    unsigned threads = 1;
    std::chrono::seconds startTimeout{90};
    /** A preloader that forked nothing for so long is ended; 0: never. */
    std::chrono::seconds maxPreloaderIdleTime{300};
    /** Bundler is set up before anything else is loaded. */
    bool preloadBundler = false;
    /** An instance that has run so many makes the next preloader; 0: never. */
    unsigned reforkAfter = 0;

    /** An instance that has run so many is replaced; 0: never. */
    unsigned maxRequests = 0;
    /** MB of memory (PSS) above which an instance is replaced; 0: never. */
    unsigned memoryLimit = 0;
    /** MB above which it is killed at once; 0: never. */
    unsigned hardMemoryLimit = 0;
    /** Requests that may wait; one more is refused. 0: no limit. */
    unsigned maxQueueSize = 100;
    /** Of the application's requests, so many may be in flight if another one would have to wait:
     *  others need the threads of httpd, too. 0: no limit. Of the sending process, not sent to the
     *  agent. */
    unsigned maxInFlight = 0;
    /** A request that waited longer is refused; 0: never. */
    std::chrono::milliseconds maxQueueTime{0};
    /** An instance that works longer at a request is killed, and the request answered with 504; 0:
     *  never. */
    std::chrono::milliseconds maxRequestTime{0};
    /** An instance that gave no sign of life for longer is killed; 0: none is asked for. */
    std::chrono::seconds heartbeatTimeout{0};
    /** A restart keeps the old version until the new one serves. Off: old instances finish, and
     *  requests wait for new ones. */
    bool rollingRestarts = true;
    /** Instances that pull can be asked for: each has a queue of its own, too, and answers tell
     *  whose they are. */
    bool stickySessions = false;
    /** The instance that the request should go to, if it lives (Process::stickyId()); 0: any. Of
     *  one request. */
    std::uint32_t stickyId = 0;

    /** Where what its processes print goes; empty: to our own log. */
    std::string logFile;
    /** Files whose new lines are copied into our log while it has instances, one a line. */
    std::string monitoredFiles;

    /** Values for the process's environment (SetEnv …). Asked only when a spawn may follow, not for
     *  each request. */
    std::function<Variables()> variables;

    /** Its instances are bridges to an application that speaks HTTP. */
    bool speaksHttp() const {
        return !startCommand.empty() || appType != "rack";
    }

    std::string groupName() const {
        return appGroupName.empty() ? appRoot + " (" + environment + ")" : appGroupName;
    }

    /** The form in which options travel in frames. variables() become "env:NAME" entries. */
    Variables toMap() const;
    /** The reverse; unknown keys are left out, so that versions can differ. @throws
     *  ProtocolException for a value that is not understood */
    static Options fromMap(const Variables &map);
};

}  // namespace Passenger
