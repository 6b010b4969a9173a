#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "apache2/httpd/Httpd.h"

namespace Passenger {

/**
 * What the directives of one place (server, virtual host, Directory, Location, .htaccess) say; what they do not say is empty. The
 * getters below fill in the defaults.
 *
 * Plain data in an APR pool: no destructor ever runs, texts belong to the pool of the configuration. Which directive sets which
 * member, and how two places are merged, is in the table of DirectiveTable.h.
 */
struct Settings {
    using Text = const char *;
    using Number = std::optional<int>;
    using Flag = std::optional<bool>;
    /** Of texts, in the order of the configuration; null: none. Places add to it. */
    using List = const apr_array_header_t *;

    // The whole server: looked at in the main server only.
    Text root = nullptr;
    Text defaultRuby = nullptr;
    Text defaultUser = nullptr;
    Text defaultGroup = nullptr;
    Flag userSwitching;
    Text logFile = nullptr;
    Number logLevel;
    Number maxPoolSize;
    Number maxInstancesPerApp;
    Number poolIdleTime;
    Number statThrottleRate;
    Flag disableLogPrefix;
    Text fileDescriptorLogFile = nullptr;
    Number socketBacklog;
    List preStart = nullptr;
    Flag turbocaching;
    Flag showVersionInHeader;
    Text dataBufferDir = nullptr;
    /** Bytes. */
    Number responseBufferHighWatermark;
    Text instanceRegistryDir = nullptr;
    Text spawnDir = nullptr;
    /** Each as `name=value`. */
    List ctl = nullptr;
    Text dumpConfigManifest = nullptr;
    /** All appLogFile and monitorLogFiles of the configuration, wherever they stand. No directive's own. */
    apr_array_header_t *appFiles = nullptr;

    // An application.
    Text ruby = nullptr;
    Text python = nullptr;
    Text nodejs = nullptr;
    Text appType = nullptr;
    Text startupFile = nullptr;
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
    Text concurrencyModel = nullptr;
    Number threadCount;
    Number maxRequests;
    /** Seconds. */
    Number maxPreloaderIdleTime;
    Number reforkAfter;
    /** MB. */
    Number memoryLimit;
    Number hardMemoryLimit;
    Flag loadShellEnvvars;
    Flag preloadBundler;
    Flag rollingRestarts;
    Text customErrorPage = nullptr;
    Text appLogFile = nullptr;
    List monitorLogFiles = nullptr;
    /** Read by nothing (the log says so): a rolling restart resists, and one that is not has no old version to keep. */
    Flag resistDeploymentErrors;

    // A request.
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
    /** Seconds. */
    Number maxRequestTime;
    Number maxRequestQueueSize;
    /** Seconds. */
    Number maxRequestQueueTime;

    bool isEnabled() const noexcept {
        return enabled.value_or(true);
    }
    /** An application's exceptions are for its developers' eyes. */
    bool showsFriendlyErrorPages() const noexcept {
        return friendlyErrorPages.value_or(std::string_view(appEnvOrDefault()) == "development");
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
    /** PassengerConcurrencyModel thread alone changes nothing: PassengerThreadCount says it all. */
    int threads() const noexcept {
        return std::string_view(concurrencyModel != nullptr ? concurrencyModel : "") == "process"
                   ? 1
                   : threadCount.value_or(1);
    }
    int maxConcurrentRequestsOrDefault() const noexcept {
        return maxConcurrentRequests.value_or(-1);
    }
    int responseBufferHighWatermarkOrDefault() const noexcept {
        return responseBufferHighWatermark.value_or(128 * 1024 * 1024);
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

    /** What applies to a request. */
    static const Settings &of(const request_rec *r) noexcept;
    /** Each on a line; none contains a line break, or it would be two. */
    static std::string lines(List list);
    /** The texts of a list, which may be null. */
    static std::span<const Text> items(List list) noexcept {
        return list == nullptr
                   ? std::span<const Text>()
                   : std::span(reinterpret_cast<const Text *>(list->elts), static_cast<std::size_t>(list->nelts));
    }

    /** What applies to the whole of `server`; the first one's G settings are everybody's. */
    static const Settings &of(const server_rec *server) noexcept;

    /** For httpd's module record. */
    static void *create(apr_pool_t *pool, char *place) noexcept;
    static void *merge(apr_pool_t *pool, void *outer, void *inner) noexcept;
};

}  // namespace Passenger
