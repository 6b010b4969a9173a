#pragma once

#include <algorithm>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "apache2/httpd/Httpd.h"
#include "exchange/Priority.h"

namespace Passenger {

struct Origin;

/** A value or nothing, as std::optional, in the room of the value: virtual hosts are many. */
template <typename T> class Given {
public:
    constexpr Given() noexcept = default;
    constexpr Given(T value) noexcept : stored_(value) {}

    constexpr explicit operator bool() const noexcept { return stored_ != NOTHING; }
    constexpr T operator*() const noexcept { return static_cast<T>(stored_); }
    constexpr T value_or(T other) const noexcept { return *this ? **this : other; }

private:
    using Stored = std::conditional_t<std::is_same_v<T, bool>, signed char, T>;
    static constexpr Stored NOTHING = [] {
        if constexpr (std::is_pointer_v<T>) {
            return nullptr;
        } else {
            return std::numeric_limits<Stored>::min();
        }
    }();

    Stored stored_ = NOTHING;
};

/**
 * What a directive gives, or the default: a reader takes the setting as a T. The default of a
 * setting that only the pool or the agent reads is in Options or AgentSettings; of such a setting,
 * httpd's side reads `given`.
 */
template <typename T> struct Setting {
    /** Nothing: no directive of the place sets it. */
    Given<T> given{};
    T fallback{};

    constexpr T value() const noexcept { return given.value_or(fallback); }
    // Not explicit: a setting is read as its value.
    constexpr operator T() const noexcept { return value(); }
};

/**
 * The settings that the directives of one place make (server, virtual host, Directory, Location,
 * .htaccess), with the defaults of those that httpd's side reads. The getters are for settings
 * whose value depends on others.
 *
 * Plain data in an APR pool: no destructor runs, and the pool of the configuration owns the texts.
 * The table in DirectiveTable.h says which directive sets which member, and how two places are
 * merged. It also says the unit of a Number: seconds (Form::SECONDS), milliseconds (Form::TIME), MB
 * (Form::MEMORY) or bytes (Form::BYTES).
 */
struct Settings {
    using Text = Setting<const char *>;
    using Number = Setting<int>;
    using Flag = Setting<bool>;
    /** Texts in the order of the configuration. An inner place adds to the list of the outer
     *  one. */
    using List = Setting<const apr_array_header_t *>;

    // Settings of the whole server: only the main server's values are used.
    Text root{.fallback = PASSENGER_DEFAULT_ROOT};
    /** The last PassengerRoot that is Phusion Passenger's. */
    const char *foreignRoot = nullptr;
    Text defaultRuby{.fallback = "ruby"};
    Text defaultUser{.fallback = "nobody"};
    Text defaultGroup;
    Flag userSwitching{.fallback = true};
    Text agentUser;
    Text seccomp{.fallback = "on"};
    Text logFile;
    Text logFormat;
    Text onEvent;
    Number logLevel;
    Number maxPoolSize;
    Number maxInstancesPerApp;
    Number poolIdleTime;
    Number maxAppIdleTime;
    Number maxChildConnections;
    Number maxChildChannels;
    Number maxChildApps;
    Number statThrottleRate;
    Flag disableLogPrefix;
    Text fileDescriptorLogFile;
    Number socketBacklog;
    Number agentTimeout;
    Number maxHijackedConnections;
    Number maxSlowClients;
    List preStart;
    Flag turbocaching{.fallback = true};
    Flag showVersionInHeader{.fallback = true};
    Text dataBufferDir{.fallback = "/var/tmp"};
    Number responseBufferHighWatermark{.fallback = 128 * 1024 * 1024};
    Number maxDataBufferSize;
    Number maxDataBufferSizePerApp;
    Number minDataBufferFreeSpace;
    Text instanceRegistryDir;
    Text spawnDir;
    /** Each item is `name=value`. */
    List ctl;
    Text dumpConfigManifest;
    /** A value that a directive of some place of the configuration grants to applications. */
    struct Grant {
        const server_rec *server;
        /** The place. Only compared. */
        const Settings *place;
        /** A key of class Grants. */
        const char *key;
        const char *value;
        /** The key `limited` or `fixed` of class Grants, which is granted with `key` as its value;
         *  null: neither. */
        const char *mark;
    };
    /** See allGrants(). No directive of its own sets it. */
    apr_array_header_t *grants = nullptr;
    /** All appLogFile and monitorLogFiles of the whole configuration. No directive of its own sets
     *  it. */
    apr_array_header_t *appFiles = nullptr;

    /** What a server has outside of sections: httpd merges it once, and nothing reads it before. */
    bool isServersOwn = false;

    /** The last place that has set something; null, unless a URL is explained (Origins). No
     *  directive of its own sets it. */
    const Origin *origins = nullptr;

    // Settings of an application.
    Text ruby;
    Text python{.fallback = "python3"};
    Text nodejs{.fallback = "node"};
    Text appType;
    Text startupFile;
    Text appCallable;
    Text appStartCommand;
    Text instanceAddress;
    Number maxConcurrentRequests{.fallback = -1};
    Text appRoot;
    Text appEnv{.fallback = "production"};
    Text appGroupName;
    List baseUris;
    Flag resolveSymlinksInDocumentRoot;
    Text restartDir{.fallback = "tmp"};
    Text user;
    Text group;
    Text spawnMethod;
    Number minInstances;
    Number maxInstances;
    Number startInstances;
    Number minSpareInstances;
    Number maxSpareInstances;
    Number heartbeatTimeout;
    Number startTimeout;
    Number stopTimeout;
    Number maxBootProcesses;
    Text concurrencyModel{.fallback = "thread"};
    Number threadCount{.fallback = 1};
    Number maxRequests;
    Number maxPreloaderIdleTime;
    Number reforkAfter;
    List warmUp;
    Number memoryLimit;
    Number hardMemoryLimit;
    Number memoryBudget;
    Number memoryMax;
    Number cpuWeight;
    Number tasksMax;
    Flag loadShellEnvvars;
    Flag preloadBundler;
    Flag rollingRestarts;
    Text customErrorPage;
    Text appLogFile;
    List monitorLogFiles;
    Number maxLogLinesPerSecond;
    Flag resistDeploymentErrors;

    // Settings of a request.
    Flag enabled{.fallback = true};
    Flag highPerformance;
    Flag bufferUpload{.fallback = true};
    Flag bufferResponse;
    Flag errorOverride;
    Flag allowEncodedSlashes;
    Flag stickySessions;
    Text stickySessionsCookieName{.fallback = "_passenger_route"};
    Text stickySessionsCookieAttributes{.fallback = "SameSite=Lax; Secure"};
    Flag friendlyErrorPages;
    Flag statusDetails;
    Flag serverTiming;
    Flag transferConnections{.fallback = true};
    Flag answerFiles;
    Flag requestStart;
    Number healthQueueAge{.fallback = 5};
    Number maxRequestTime;
    Number slowRequestLog;
    Number maxRequestQueueSize;
    Number requestQueueOverflowStatusCode{.fallback = 503};
    Number queueTarget;
    Text priority{.fallback = nameOf(Priority::NORMAL)};
    Flag priorityQueue;
    Text fairnessKey{.fallback = "off"};
    Number maxRequestQueueTime;

    /** Exceptions of an application are shown only to its developers. */
    bool showsFriendlyErrorPages() const noexcept {
        return friendlyErrorPages.given.value_or(std::string_view(appEnv) == "development");
    }
    /** Whether a directive says which page a refused request gets. */
    bool choosesErrorPage() const noexcept { return friendlyErrorPages || customErrorPage != nullptr; }
    /** A developer wants to see a change at once. */
    bool rollsRestarts() const noexcept {
        return rollingRestarts.given.value_or(std::string_view(appEnv) != "development");
    }
    /** PassengerConcurrencyModel thread changes nothing: PassengerThreadCount gives the number. */
    int threads() const noexcept {
        return std::string_view(concurrencyModel) == "process" ? 1 : std::max<int>(threadCount, 1);
    }
    Priority requestPriority() const noexcept {
        for (const Priority each : {Priority::LOW, Priority::HIGH}) {
            if (std::string_view(priority) == nameOf(each)) {
                return each;
            }
        }
        return Priority::NORMAL;
    }

    static const Settings &of(const request_rec *r) noexcept;
    /** One text a line. No text contains a line break. */
    static std::string lines(const apr_array_header_t *list);
    /** The texts of a list. The list may be null. */
    static std::span<const char *const> items(const apr_array_header_t *list) noexcept {
        return list == nullptr ? std::span<const char *const>()
                               : std::span(reinterpret_cast<const char *const *>(list->elts),
                                           static_cast<std::size_t>(list->nelts));
    }

    /** The main server's: all of the configuration, in its order. */
    std::span<const Grant> allGrants() const noexcept {
        return grants == nullptr
                   ? std::span<const Grant>()
                   : std::span(reinterpret_cast<const Grant *>(grants->elts), static_cast<std::size_t>(grants->nelts));
    }

    /** The settings for the whole of `server`. GLOBAL directives set only those of the main
     *  server. */
    static const Settings &of(const server_rec *server) noexcept;
    /** The settings that a section, such as `<Location>`, makes itself. Null: it makes none. */
    static const Settings *in(const ap_conf_vector_t *section) noexcept;

    /** For httpd's module record. */
    static void *create(apr_pool_t *pool, char *place) noexcept;
    static void *merge(apr_pool_t *pool, void *outer, void *inner) noexcept;
};

}  // namespace Passenger
