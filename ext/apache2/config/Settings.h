#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "apache2/httpd/Httpd.h"
#include "exchange/Priority.h"

namespace Passenger {

struct Origin;

/**
 * The settings that the directives of one place make (server, virtual host, Directory, Location,
 * .htaccess). Members that no directive sets are empty; the getters below give the defaults.
 *
 * Plain data in an APR pool: no destructor runs, and the pool of the configuration owns the texts.
 * The table in DirectiveTable.h says which directive sets which member, and how two places are
 * merged.
 */
struct Settings {
    using Text = const char *;
    using Number = std::optional<int>;
    using Flag = std::optional<bool>;
    /** Texts in the order of the configuration; null: none. An inner place adds to the list of the
     *  outer one. */
    using List = const apr_array_header_t *;

    // Settings of the whole server: only the main server's values are used.
    Text root = nullptr;
    /** The last PassengerRoot that is Phusion Passenger's. */
    Text foreignRoot = nullptr;
    Text defaultRuby = nullptr;
    Text defaultUser = nullptr;
    Text defaultGroup = nullptr;
    Flag userSwitching;
    Text agentUser = nullptr;
    Text seccomp = nullptr;
    Text logFile = nullptr;
    Text logFormat = nullptr;
    Text onEvent = nullptr;
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
    Text fileDescriptorLogFile = nullptr;
    Number socketBacklog;
    Number agentTimeout;
    Number maxHijackedConnections;
    Number maxSlowClients;
    List preStart = nullptr;
    Flag turbocaching;
    Flag showVersionInHeader;
    Text dataBufferDir = nullptr;
    /** Bytes. */
    Number responseBufferHighWatermark;
    /** MB. */
    Number maxDataBufferSize;
    Number maxDataBufferSizePerApp;
    Number minDataBufferFreeSpace;
    Text instanceRegistryDir = nullptr;
    Text spawnDir = nullptr;
    /** Each item is `name=value`. */
    List ctl = nullptr;
    Text dumpConfigManifest = nullptr;
    /** A value that a directive of some place of the configuration grants to applications. */
    struct Grant {
        const server_rec *server;
        /** The place. Only compared. */
        const Settings *place;
        /** A key of class Grants. */
        const char *key;
        const char *value;
    };
    /** All of them, as Grant, in the order of the configuration. No directive of its own sets
     *  it. */
    apr_array_header_t *grants = nullptr;
    /** All appLogFile and monitorLogFiles of the whole configuration. No directive of its own sets
     *  it. */
    apr_array_header_t *appFiles = nullptr;

    /** The last place that has set something; null, unless a URL is explained (Origins). No
     *  directive of its own sets it. */
    const Origin *origins = nullptr;

    // Settings of an application.
    Text ruby = nullptr;
    Text python = nullptr;
    Text nodejs = nullptr;
    Text appType = nullptr;
    Text startupFile = nullptr;
    Text appCallable = nullptr;
    Text appStartCommand = nullptr;
    Text instanceAddress = nullptr;
    Number maxConcurrentRequests;
    Text appRoot = nullptr;
    Text appEnv = nullptr;
    Text appGroupName = nullptr;
    List baseUris = nullptr;
    Flag resolveSymlinksInDocumentRoot;
    Text restartDir = nullptr;
    Text user = nullptr;
    Text group = nullptr;
    Text spawnMethod = nullptr;
    Number minInstances;
    Number maxInstances;
    Number startInstances;
    Number minSpareInstances;
    Number maxSpareInstances;
    /** Seconds. */
    Number heartbeatTimeout;
    Number startTimeout;
    /** Seconds. */
    Number stopTimeout;
    Number maxBootProcesses;
    Text concurrencyModel = nullptr;
    Number threadCount;
    Number maxRequests;
    /** Seconds. */
    Number maxPreloaderIdleTime;
    Number reforkAfter;
    List warmUp = nullptr;
    /** MB. */
    Number memoryLimit;
    Number hardMemoryLimit;
    /** MB. */
    Number memoryBudget;
    /** MB. */
    Number memoryMax;
    Number cpuWeight;
    Number tasksMax;
    Flag loadShellEnvvars;
    Flag preloadBundler;
    Flag rollingRestarts;
    Text customErrorPage = nullptr;
    Text appLogFile = nullptr;
    List monitorLogFiles = nullptr;
    Number maxLogLinesPerSecond;
    Flag resistDeploymentErrors;

    // Settings of a request.
    Flag enabled;
    Flag highPerformance;
    Flag bufferUpload;
    Flag bufferResponse;
    Flag errorOverride;
    Flag allowEncodedSlashes;
    Flag stickySessions;
    Text stickySessionsCookieName = nullptr;
    Text stickySessionsCookieAttributes = nullptr;
    Flag friendlyErrorPages;
    Flag statusDetails;
    Flag serverTiming;
    Flag transferConnections;
    Flag answerFiles;
    Flag requestStart;
    /** Seconds. */
    Number healthQueueAge;
    Number maxRequestTime;
    /** Milliseconds. */
    Number slowRequestLog;
    Number maxRequestQueueSize;
    Number requestQueueOverflowStatusCode;
    /** Milliseconds. */
    Number queueTarget;
    Text priority = nullptr;
    Flag priorityQueue;
    Text fairnessKey = nullptr;
    /** Seconds. */
    Number maxRequestQueueTime;

    bool isEnabled() const noexcept {
        return enabled.value_or(true);
    }
    /** Exceptions of an application are shown only to its developers. */
    bool showsFriendlyErrorPages() const noexcept {
        return friendlyErrorPages.value_or(std::string_view(appEnvOrDefault()) == "development");
    }
    /** Whether a directive says which page a refused request gets. */
    bool choosesErrorPage() const noexcept {
        return friendlyErrorPages.value_or(false) || customErrorPage != nullptr;
    }
    /** A developer wants to see a change at once. */
    bool rollsRestarts() const noexcept {
        return rollingRestarts.value_or(std::string_view(appEnvOrDefault()) != "development");
    }
    const char *restartDirOrDefault() const noexcept {
        return restartDir != nullptr ? restartDir : "tmp";
    }
    bool showsStatusDetails() const noexcept {
        return statusDetails.value_or(false);
    }
    bool tellsServerTiming() const noexcept {
        return serverTiming.value_or(false);
    }
    bool transfersConnections() const noexcept {
        return transferConnections.value_or(true);
    }
    bool takesAnswerFiles() const noexcept {
        return answerFiles.value_or(false);
    }
    bool tellsRequestStart() const noexcept {
        return requestStart.value_or(false);
    }
    int healthQueueAgeOrDefault() const noexcept {
        return healthQueueAge.value_or(5);
    }
    int requestQueueOverflowStatusCodeOrDefault() const noexcept {
        return requestQueueOverflowStatusCode.value_or(503);
    }
    bool isHighPerformance() const noexcept {
        return highPerformance.value_or(false);
    }
    bool buffersUpload() const noexcept {
        return bufferUpload.value_or(true);
    }
    bool buffersResponse() const noexcept {
        return bufferResponse.value_or(false);
    }
    bool overridesErrors() const noexcept {
        return errorOverride.value_or(false);
    }
    bool allowsEncodedSlashes() const noexcept {
        return allowEncodedSlashes.value_or(false);
    }
    bool hasStickySessions() const noexcept {
        return stickySessions.value_or(false);
    }
    bool resolvesSymlinksInDocumentRoot() const noexcept {
        return resolveSymlinksInDocumentRoot.value_or(false);
    }
    bool turbocaches() const noexcept {
        return turbocaching.value_or(true);
    }
    bool showsVersionInHeader() const noexcept {
        return showVersionInHeader.value_or(true);
    }
    /** PassengerConcurrencyModel thread changes nothing: PassengerThreadCount gives the number. */
    int threads() const noexcept {
        return std::string_view(concurrencyModel != nullptr ? concurrencyModel : "") == "process"
                   ? 1
                   : std::max(threadCount.value_or(1), 1);
    }
    int maxConcurrentRequestsOrDefault() const noexcept {
        return maxConcurrentRequests.value_or(-1);
    }
    int responseBufferHighWatermarkOrDefault() const noexcept {
        return responseBufferHighWatermark.value_or(128 * 1024 * 1024);
    }
    Priority requestPriority() const noexcept {
        for (const Priority each : {Priority::LOW, Priority::HIGH}) {
            if (priority != nullptr && std::string_view(priority) == nameOf(each)) {
                return each;
            }
        }
        return Priority::NORMAL;
    }
    const char *fairnessKeyOrDefault() const noexcept {
        return fairnessKey != nullptr ? fairnessKey : "off";
    }
    const char *dataBufferDirOrDefault() const noexcept {
        return dataBufferDir != nullptr ? dataBufferDir : "/var/tmp";
    }
    const char *stickySessionsCookieNameOrDefault() const noexcept {
        return stickySessionsCookieName != nullptr ? stickySessionsCookieName : "_passenger_route";
    }
    const char *stickySessionsCookieAttributesOrDefault() const noexcept {
        return stickySessionsCookieAttributes != nullptr ? stickySessionsCookieAttributes : "SameSite=Lax; Secure";
    }
    const char *rootOrDefault() const noexcept {
        return root != nullptr ? root : PASSENGER_DEFAULT_ROOT;
    }
    const char *appEnvOrDefault() const noexcept {
        return appEnv != nullptr ? appEnv : "production";
    }
    const char *defaultRubyOrDefault() const noexcept {
        return defaultRuby != nullptr ? defaultRuby : "ruby";
    }
    const char *defaultUserOrDefault() const noexcept {
        return defaultUser != nullptr ? defaultUser : "nobody";
    }

    const char *seccompOrDefault() const noexcept {
        return seccomp != nullptr ? seccomp : "on";
    }

    /** The settings for a request. */
    static const Settings &of(const request_rec *r) noexcept;
    /** One text a line. No text contains a line break. */
    static std::string lines(List list);
    /** The texts of a list. The list may be null. */
    static std::span<const Text> items(List list) noexcept {
        return list == nullptr
                   ? std::span<const Text>()
                   : std::span(reinterpret_cast<const Text *>(list->elts), static_cast<std::size_t>(list->nelts));
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
