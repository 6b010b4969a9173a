#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "exchange/Priority.h"
#include "exchange/QueueChoice.h"

namespace Passenger {

/** The part of Options that one request has, and not its application. A plain value. The agent gets
 *  `queue` alone: the sending process uses the others. */
struct RequestOptions {
    QueueChoice queue;
    /** Differs where the options of the application differ. */
    std::uint64_t settings = 0;
    Priority priority = Priority::NORMAL;
    /** A further request is refused, instead of waiting, if the application holds so many threads
     *  of httpd (HttpdThreads): other applications need some, too. 0: no limit. */
    unsigned maxInFlight = 0;
};

/**
 * The settings of an application, and of one request to it: the argument of Pool::get(). A plain
 * value. groupName() alone decides which requests belong to one application. The options of a
 * group's first request make the group; the options of later requests apply to later spawns.
 */
struct Options {
    using Variables = std::map<std::string, std::string>;

    /** The application's folder, absolute. */
    std::string appRoot;
    /** RAILS_ENV, RACK_ENV, … */
    std::string environment = "production";
    /** The application's name, which its instances share; empty: "APPROOT (ENVIRONMENT)". */
    std::string appGroupName;
    std::string startupFile = "config.ru";
    /** PassengerAppCallable (lib/passenger/python): what the startup file of a Python application
     *  calls the application: `app`, `web.app` or `create_app()`. */
    std::string appCallable = "application";
    /** Relative to appRoot, or absolute. */
    std::string restartDir = "tmp";
    std::string baseUri;
    /** "rack", "node", "wsgi" or "asgi"; with a startCommand the application is behind a bridge. */
    std::string appType = "rack";
    /** A shell command that serves HTTP on $PORT; empty: the interpreter of appType runs the
     *  startup file. */
    std::string startCommand;
    /** The IP address on which an application behind a bridge listens. */
    std::string instanceAddress = "127.0.0.1";
    std::string python = "python3";
    std::string nodejs = "node";

    std::string ruby = "ruby";
    /** "smart" or "direct". */
    std::string spawnMethod = "smart";
    /** Empty: the owner of the startup file, and that user's primary group. */
    std::string user;
    std::string group;
    /** The user instead of root or an unknown owner. Empty group: that user's primary group. */
    std::string defaultUser = "nobody";
    std::string defaultGroup;
    bool userSwitching = true;
    /** The user's login shell reads its profile before the application is started. */
    bool loadShellEnvvars = true;

    unsigned minInstances = 1;
    /** 0: no limit of its own. */
    unsigned maxInstances = 0;
    /** Instances that start together when the application has none; 0: as many as there are
     *  requests for. */
    unsigned startInstances = 0;
    /** The fewest and most instances without a request while the application is in use. 0: no such
     *  limit. */
    unsigned minSpareInstances = 0;
    unsigned maxSpareInstances = 0;
    /** Requests that an instance gets at once (PassengerThreadCount, PassengerConcurrencyModel). */
    unsigned threads = 1;
    /** The value of `threads` for an instance without a limit: a bridge may have so many threads,
     *  and httpd rarely has as many. */
    static constexpr unsigned NO_THREAD_LIMIT = 8192;
    std::chrono::seconds startTimeout{90};
    /** The time that an application behind a bridge has from SIGTERM to SIGKILL, and a Node
     *  instance for its end. */
    std::chrono::seconds stopTimeout{5};
    /** A preloader that has forked no instance for this time is ended; 0: never. */
    std::chrono::seconds maxPreloaderIdleTime{300};
    /** Bundler is set up before any other library is loaded. */
    bool preloadBundler = false;
    /** Requests after which an instance forks the next preloader; 0: never. */
    unsigned reforkAfter = 0;
    /** Requests that each new instance answers first, one in each line (WarmUp). */
    std::string warmUp;

    /** Requests after which an instance is replaced; 0: never. */
    unsigned maxRequests = 0;
    /** MB of memory (PSS) above which an instance is replaced; 0: never. */
    unsigned memoryLimit = 0;
    /** MB of memory above which an instance is killed at once; 0: never. */
    unsigned hardMemoryLimit = 0;
    /** MB of memory (PSS) that its instances may use together, where it is less than all
     *  applications may use; 0: no budget of its own. */
    unsigned memoryBudget = 0;
    /** Limits of all of the application's processes together, where the system has control groups.
     *  0: none. MB; a weight from 1 to 10000, instead of 100; processes and threads. */
    unsigned memoryMax = 0;
    unsigned cpuWeight = 0;
    unsigned tasksMax = 0;
    /** Processes and threads by which the application's user may get more while a process of it
     *  boots; 0: any number. */
    unsigned maxBootProcesses = 1000;
    /** Requests that may wait; a further request is refused. 0: no limit. */
    unsigned maxQueueSize = 100;
    /** The time that requests should wait at most. While all wait for longer, further requests are
     *  refused that cannot be begun in this time (QueueDelay). 0: requests wait in any case. */
    std::chrono::milliseconds queueTarget{0};
    /** A request that waited longer is refused; 0: never. */
    std::chrono::milliseconds maxQueueTime{0};
    /** An instance that works longer on a request is killed, and the request gets 504; 0:
     *  never. */
    std::chrono::milliseconds maxRequestTime{0};
    /** A request without the beginning of an answer for this time is logged; 0: none. */
    std::chrono::milliseconds slowRequestTime{0};
    /** An instance without a heartbeat for this time is killed; 0: instances send none. */
    std::chrono::seconds heartbeatTimeout{0};
    /** A restart keeps the old version until the new one serves. Off: old instances finish, and
     *  requests wait for new ones. */
    bool rollingRestarts = true;
    /** A new version that does not start leaves the old one serving. Off: the requests get the new
     *  version's failure. */
    bool resistDeploymentErrors = true;
    /** Each instance also has a queue of its own, and answers name their instance. */
    bool stickySessions = false;
    /** The instances have a second queue, which they read first, for requests of high priority. Has
     *  no effect with stickySessions: an instance has one queue beside the common one at most. */
    bool priorityQueue = false;

    /** Not of the application, but of the request. */
    RequestOptions request;

    /** The configuration of httpd that the options are of: a later one has a larger number. The
     *  agent sets the value, and no frame has it. */
    std::uint64_t configuration = 0;
    /** httpd's configuration has the application no more; the child that asks has an earlier one.
     *  The agent sets the value, and no frame has it. */
    bool removed = false;
    /** Instances of the application serve while another one starts. The agent sets the value, and
     *  no frame has it. */
    bool othersServe = false;
    /** Whether instances of the application serve at this moment; null: unknown. The agent sets the
     *  value, and no frame has it. */
    std::shared_ptr<const std::atomic<bool>> othersStillServe;

    /** The file for the output of the application's processes; empty: the agent's log. */
    std::string logFile;
    /** Lines that the application's processes and monitoredFiles may write into the log in a
     *  second, on average; 0: no limit. */
    unsigned maxLogLines = 1000;
    /** Files whose new lines are copied into the agent's log while the application has instances.
     *  One path in each line. */
    std::string monitoredFiles;

    /** Begins the names of variables() where options travel in frames. */
    static constexpr std::string_view VARIABLE_PREFIX = "env:";
    /** Returns values for the process's environment (SetEnv, PassEnv). Called only when a spawn may
     *  follow, not for each request. */
    std::function<Variables()> variables;

    bool hasPriorityQueue() const noexcept { return priorityQueue && !stickySessions; }
    /** Whether instances take the request before others that have waited for longer. */
    bool overtakes() const noexcept { return hasPriorityQueue() && request.priority == Priority::HIGH; }
    /** RequestOptions::queue, if instances have a queue beside the application's. */
    QueueChoice queueChoice() const noexcept { return stickySessions || priorityQueue ? request.queue : QueueChoice(); }
    bool limitsMemory() const noexcept { return memoryLimit > 0 || hardMemoryLimit > 0; }
    /** Whether one process takes all requests at once, as an event loop does, so that it has them
     *  all in its memory. Further instances are for the administrator to ask for. */
    bool takesAll() const { return (startsByBridge() || isAsync()) && threads >= NO_THREAD_LIMIT; }
    /** Whether the instances are Python processes that take requests from the queue themselves. */
    bool runsPython() const { return startCommand.empty() && (appType == "wsgi" || appType == "asgi"); }
    /** Whether an instance answers many requests at once in one thread. */
    bool isAsync() const { return startCommand.empty() && (appType == "node" || appType == "asgi"); }
    /** Whether `passenger-agent bridge` starts each instance: it becomes the Node of a Node
     *  application, which takes requests from the queue itself, or else stays, and speaks HTTP with
     *  the application. */
    bool startsByBridge() const { return !startCommand.empty() || appType == "node"; }

    std::string groupName() const { return appGroupName.empty() ? appRoot + " (" + environment + ")" : appGroupName; }

    /** The form in which options travel in frames. variables() become "env:NAME" entries. */
    Variables toMap() const;
    /** The reverse. Unknown keys are ignored, so that versions can differ.
     *  @throws ProtocolException: a value is not allowed */
    static Options fromMap(const Variables &map);
};

}  // namespace Passenger
