#include "Lane.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "RequestEnvironment.h"
#include "StickyCookie.h"

namespace Passenger {

namespace {

/** Writes down what a set of options is made of. */
class KeyWriter {
public:
    explicit KeyWriter(std::string &key) : key_(key) {}

    void add(const char *text) {
        if (text != nullptr) {
            key_ += text;
        }
        key_ += '\0';
    }
    void add(const void *block, std::size_t size) {
        key_.append(static_cast<const char *>(block), size);
    }

private:
    std::string &key_;
};

/** Compares it with what was written down, which is cheaper. */
class KeyReader {
public:
    explicit KeyReader(std::string_view key) : rest_(key) {}

    void add(const char *text) {
        // With the zero at its end.
        add(text == nullptr ? "" : text, text == nullptr ? 1 : std::strlen(text) + 1);
    }
    void add(const void *block, std::size_t size) {
        same_ = same_ && rest_.size() >= size && std::memcmp(rest_.data(), block, size) == 0;
        rest_.remove_prefix(std::min(size, rest_.size()));
    }
    bool same() const noexcept {
        return same_ && rest_.empty();
    }

private:
    std::string_view rest_;
    bool same_ = true;
};

// Workers of a bridge, if nobody says: Node answers many requests at once, others one after the other.
constexpr int NODE_CONCURRENCY = 32;
/** More threads in one process help nobody, and all instances of an application share 1,024 places. */
constexpr int MOST_CONCURRENCY = 256;

/** @param wanted what PassengerForceMaxConcurrentRequestsPerProcess says */
unsigned concurrencyOf(const Options &options, int wanted) {
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

template <typename Value> int known(const std::optional<Value> &value) {
    return value ? static_cast<int>(*value) : -1;
}

/** All that options are made of, in one order. */
template <typename Key> void describe(Key &key, const Settings &settings, const Route &route) {
    for (const char *text : {route.appRoot, route.baseUri, settings.ruby, settings.appEnv, settings.restartDir,
                             settings.user, settings.group, settings.spawnMethod, route.appType, route.startupFile,
                             settings.appStartCommand, settings.instanceAddress, settings.python, settings.nodejs,
                             settings.concurrencyModel, settings.appGroupName, settings.appLogFile}) {
        key.add(text);
    }
    for (const char *text : Settings::items(settings.monitorLogFiles)) {
        key.add(text);
    }
    const int numbers[] = {
        known(settings.minInstances),        known(settings.maxInstances),        known(settings.startInstances),
        known(settings.minSpareInstances),   known(settings.maxSpareInstances),   known(settings.heartbeatTimeout),
        known(settings.startTimeout),        known(settings.threadCount),         known(settings.maxConcurrentRequests),
        known(settings.maxRequests),         known(settings.memoryLimit),         known(settings.hardMemoryLimit),
        known(settings.maxRequestQueueSize), known(settings.maxRequestQueueTime), known(settings.maxPreloaderIdleTime),
        known(settings.reforkAfter),         known(settings.maxRequestTime),      known(settings.rollingRestarts),
        known(settings.loadShellEnvvars),    known(settings.preloadBundler),      known(settings.stickySessions)};
    key.add(numbers, sizeof(numbers));
}

}  // namespace

const Options &Lane::optionsFor(const request_rec *r, const Route &route) {
    const Settings &settings = Settings::of(r);
    request_ = r;
    KeyReader reader(key_);
    describe(reader, settings, route);
    if (last_ == nullptr || !reader.same()) {
        last_ = &find(settings, route);
    }
    if (last_->stickySessions) {
        const char *cookies = apr_table_get(r->headers_in, "Cookie");
        last_->stickyId =
            cookies == nullptr ? 0 : StickyCookie::instanceIn(cookies, settings.stickySessionsCookieNameOrDefault());
    }
    return *last_;
}

Options &Lane::find(const Settings &settings, const Route &route) {
    last_ = nullptr;
    key_.clear();
    KeyWriter writer(key_);
    describe(writer, settings, route);
    auto known = options_.find(key_);
    if (known == options_.end()) {
        if (options_.size() >= MAX_OPTIONS) {
            options_.clear();
        }
        known = options_.emplace(key_, makeOptions(settings, Settings::of(ap_server_conf), route)).first;
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
    take(options.logFile, settings.appLogFile);
    options.monitoredFiles = Settings::lines(settings.monitorLogFiles);
    take(options.spawnMethod, settings.spawnMethod);
    take(options.user, settings.user);
    take(options.group, settings.group);
    options.defaultUser = global.defaultUserOrDefault();
    take(options.defaultGroup, global.defaultGroup);
    options.userSwitching = global.userSwitching.value_or(options.userSwitching);
    take(options.minInstances, settings.minInstances);
    take(options.maxInstances, settings.maxInstances);
    take(options.startInstances, settings.startInstances);
    take(options.minSpareInstances, settings.minSpareInstances);
    take(options.maxSpareInstances, settings.maxSpareInstances);
    takeSeconds(options.heartbeatTimeout, settings.heartbeatTimeout);
    options.threads = static_cast<unsigned>(settings.threads());
    options.appType = route.appType;
    options.startupFile = route.startupFile;
    take(options.startCommand, settings.appStartCommand);
    take(options.instanceAddress, settings.instanceAddress);
    take(options.python, settings.python);
    take(options.nodejs, settings.nodejs);
    if (options.speaksHttp()) {
        options.threads = concurrencyOf(options, settings.maxConcurrentRequestsOrDefault());
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
