#include "Lane.h"

#include <algorithm>

#include "RequestEnvironment.h"
#include "StickyCookie.h"

namespace Passenger {

namespace {

void appendTo(std::string &key, const char *text) {
    if (text != nullptr) {
        key += text;
    }
    key += '\0';
}

void appendTo(std::string &key, const Settings::Number &number) {
    int value = number.value_or(-1);
    key.append(reinterpret_cast<const char *>(&value), sizeof(value));
}

void appendTo(std::string &key, const Settings::Flag &flag) {
    key += flag ? (*flag ? '1' : '0') : '-';
}

// Workers of a bridge, if nobody says: Node answers many requests at once, others one after the other.
constexpr int NODE_CONCURRENCY = 32;
/** More threads in one process help nobody, and all instances of an application share 1,024 places. */
constexpr int MOST_CONCURRENCY = 256;

unsigned concurrencyOf(const Options &options, const Settings::Number &forced) {
    const int wanted = forced.value_or(-1);
    if (wanted < 0) {
        return options.appType == "node" && options.startCommand.empty() ? NODE_CONCURRENCY : 1;
    }
    return static_cast<unsigned>(wanted == 0 ? MOST_CONCURRENCY : std::min(wanted, MOST_CONCURRENCY));
}

// What no directive says stays as Options has it.

void take(std::string &option, Settings::Text text) {
    if (text != nullptr) {
        option = text;
    }
}

void take(unsigned &option, const Settings::Number &number) {
    if (number) {
        option = static_cast<unsigned>(*number);
    }
}

template <typename Duration> void takeSeconds(Duration &option, const Settings::Number &seconds) {
    if (seconds) {
        option = std::chrono::seconds(*seconds);
    }
}

}  // namespace

const Options &Lane::optionsFor(const request_rec *r, const Route &route) {
    const Settings &settings = Settings::of(r);
    request_ = r;
    key_.clear();
    for (const char *text : {route.appRoot, route.baseUri, settings.ruby, settings.appEnv, settings.restartDir,
                             settings.user, settings.group, settings.spawnMethod, route.appType, route.startupFile,
                             settings.appStartCommand, settings.instanceAddress, settings.python, settings.nodejs,
                             settings.concurrencyModel, settings.appGroupName}) {
        appendTo(key_, text);
    }
    for (const Settings::Number &number :
         {settings.minInstances, settings.maxInstances, settings.startInstances, settings.startTimeout,
          settings.threadCount, settings.maxConcurrentRequests, settings.maxRequests, settings.memoryLimit,
          settings.hardMemoryLimit, settings.maxRequestQueueSize, settings.maxRequestQueueTime,
          settings.maxPreloaderIdleTime, settings.reforkAfter, settings.maxRequestTime}) {
        appendTo(key_, number);
    }
    for (const Settings::Flag &flag :
         {settings.rollingRestarts, settings.loadShellEnvvars, settings.preloadBundler, settings.stickySessions}) {
        appendTo(key_, flag);
    }
    auto known = options_.find(key_);
    if (known == options_.end()) {
        if (options_.size() >= MAX_OPTIONS) {
            options_.clear();
        }
        known = options_.emplace(key_, makeOptions(settings, Settings::of(ap_server_conf), route)).first;
    }
    if (known->second.stickySessions) {
        const char *cookies = apr_table_get(r->headers_in, "Cookie");
        known->second.stickyId =
            cookies == nullptr ? 0 : StickyCookie::instanceIn(cookies, settings.stickySessionsCookieNameOrDefault());
    }
    return known->second;
}

Options Lane::makeOptions(const Settings &settings, const Settings &global, const Route &route) {
    Options options;
    options.maxInFlight = share_;
    options.appRoot = route.appRoot;
    options.environment = settings.appEnvOrDefault();
    options.appGroupName = route.appName;
    options.baseUri = route.baseUri;
    options.ruby = settings.ruby != nullptr ? settings.ruby : global.defaultRubyOrDefault();
    take(options.restartDir, settings.restartDir);
    take(options.spawnMethod, settings.spawnMethod);
    take(options.user, settings.user);
    take(options.group, settings.group);
    options.defaultUser = global.defaultUserOrDefault();
    take(options.defaultGroup, global.defaultGroup);
    options.userSwitching = global.userSwitching.value_or(options.userSwitching);
    take(options.minInstances, settings.minInstances);
    take(options.maxInstances, settings.maxInstances);
    take(options.startInstances, settings.startInstances);
    options.threads = static_cast<unsigned>(settings.threads());
    options.appType = route.appType;
    options.startupFile = route.startupFile;
    take(options.startCommand, settings.appStartCommand);
    take(options.instanceAddress, settings.instanceAddress);
    take(options.python, settings.python);
    take(options.nodejs, settings.nodejs);
    if (options.speaksHttp()) {
        options.threads = concurrencyOf(options, settings.maxConcurrentRequests);
    }
    takeSeconds(options.startTimeout, settings.startTimeout);
    take(options.maxRequests, settings.maxRequests);
    take(options.memoryLimit, settings.memoryLimit);
    take(options.hardMemoryLimit, settings.hardMemoryLimit);
    take(options.maxQueueSize, settings.maxRequestQueueSize);
    takeSeconds(options.maxQueueTime, settings.maxRequestQueueTime);
    takeSeconds(options.maxRequestTime, settings.maxRequestTime);
    options.loadShellEnvvars = settings.loadShellEnvvars.value_or(options.loadShellEnvvars);
    options.preloadBundler = settings.preloadBundler.value_or(options.preloadBundler);
    takeSeconds(options.maxPreloaderIdleTime, settings.maxPreloaderIdleTime);
    take(options.reforkAfter, settings.reforkAfter);
    options.stickySessions = settings.hasStickySessions();
    options.rollingRestarts = settings.rollingRestarts.value_or(options.rollingRestarts);
    // These options are used with this lane's sessions only, and a lane serves one request at a time.
    options.variables = [this] { return RequestEnvironment::processVariables(request_); };
    return options;
}

}  // namespace Passenger
