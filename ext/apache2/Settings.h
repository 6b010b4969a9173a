#pragma once

#include <optional>
#include <string_view>

#include "Httpd.h"

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
    Text dataBufferDir = nullptr;
    /** Bytes. */
    Number responseBufferHighWatermark;

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
    Text restartDir = nullptr;
    Text user = nullptr;
    Text group = nullptr;
    Text spawnMethod = nullptr;
    Number minInstances;
    Number maxInstances;
    Number startInstances;
    Number startTimeout;
    Number threadCount;
    Number maxRequests;
    /** Seconds. */
    Number maxPreloaderIdleTime;
    Number reforkAfter;
    /** MB. */
    Number memoryLimit;
    Flag loadShellEnvvars;
    Flag preloadBundler;
    Flag rollingRestarts;
    Text customErrorPage = nullptr;
    /** Read by nothing: a rolling restart resists, and one that is not has no old version to keep. */
    Flag resistDeploymentErrors;

    // A request.
    Flag enabled;
    Flag friendlyErrorPages;
    Flag bufferUpload;
    Flag bufferResponse;
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
    bool buffersUpload() const noexcept {
        return bufferUpload.value_or(true);
    }
    bool buffersResponse() const noexcept {
        return bufferResponse.value_or(false);
    }
    const char *dataBufferDirOrDefault() const noexcept {
        return dataBufferDir != nullptr ? dataBufferDir : "/var/tmp";
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
    /** What applies to the whole of `server`; the first one's G settings are everybody's. */
    static const Settings &of(const server_rec *server) noexcept;

    /** For httpd's module record. */
    static void *create(apr_pool_t *pool, char *place) noexcept;
    static void *merge(apr_pool_t *pool, void *outer, void *inner) noexcept;
};

}  // namespace Passenger
