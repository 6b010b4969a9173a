#pragma once

#include "apache2/config/ApplicationDirectives.h"
#include "apache2/config/ServerDirectives.h"

namespace Passenger::Directives {

/** A directive `name` that sets the same as `successor`, a row of `table`. */
template <std::size_t COUNT>
consteval Directive renamed(const char *name, const char *successor, const std::array<Directive, COUNT> &table) {
    for (Directive directive : table) {
        if (std::string_view(directive.name) == successor) {
            directive.name = name;
            directive.aliases = {};
            directive.notice = "is obsolete";
            directive.successor = successor;
            return directive;
        }
    }
    throw "there is no such directive";
}

constexpr Directive inert(const char *name, Context context, Field field, const char *notice) {
    return {name, context, field, "none", notice, {}, notice};
}

inline constexpr Settings::Text Settings::*NO_TEXT = nullptr;
inline constexpr Settings::Flag Settings::*NO_FLAG = nullptr;
inline constexpr Settings::Number Settings::*NO_NUMBER = nullptr;

inline constexpr const char *CONTACTS_NO_SERVER = "has no effect: mod_passenger contacts no other server";
inline constexpr const char *NOT_SUPPORTED = "has no effect: this feature is not supported";
inline constexpr const char *NO_ANALYTICS = "is obsolete and has no effect: remove it";
inline constexpr const char *ONE_QUEUE =
    "is obsolete and has no effect: all requests of an application wait in one queue; remove it";
inline constexpr const char *USE_ENABLED = "is obsolete and has no effect: use PassengerEnabled";
inline constexpr const char *ALWAYS_REWRITES =
    "is obsolete and has no effect: mod_rewrite always works, unless PassengerHighPerformance is on; remove it";
inline constexpr const char *USE_PRELOADER_TIME = "is obsolete and has no effect: use PassengerMaxPreloaderIdleTime";
inline constexpr const char *USE_ROOT = "is obsolete and has no effect: use PassengerRoot";

/** Directives that configurations may still have. Each is accepted, and its notice is logged
 *  once. */
inline constexpr std::array OBSOLETE{
    renamed("RailsMaxPoolSize", "PassengerMaxPoolSize", SERVER),
    renamed("RailsMaxInstancesPerApp", "PassengerMaxInstancesPerApp", SERVER),
    renamed("RailsPoolIdleTime", "PassengerPoolIdleTime", SERVER),
    renamed("RailsUserSwitching", "PassengerUserSwitching", SERVER),
    renamed("RailsDefaultUser", "PassengerDefaultUser", SERVER),
    renamed("RailsRuby", "PassengerRuby", APPLICATION),
    inert("RailsSpawnServer", Context::GLOBAL, text(NO_TEXT), USE_ROOT),
    inert("RailsFrameworkSpawnerIdleTime", Context::GLOBAL, number(NO_NUMBER, 0, INT_MAX, Form::SECONDS),
          USE_PRELOADER_TIME),
    inert("RailsAllowModRewrite", Context::GLOBAL, flag(NO_FLAG), ALWAYS_REWRITES),
    inert("RailsAutoDetect", Context::APPLICATION, flag(NO_FLAG), USE_ENABLED),
    inert("RackAutoDetect", Context::APPLICATION, flag(NO_FLAG), USE_ENABLED),
    inert("PassengerUseGlobalQueue", Context::APPLICATION, flag(NO_FLAG), ONE_QUEUE),
    inert("PassengerAnalyticsLogUser", Context::GLOBAL, text(NO_TEXT), NO_ANALYTICS),
    inert("PassengerAnalyticsLogGroup", Context::GLOBAL, text(NO_TEXT), NO_ANALYTICS),
    inert("PassengerAnalyticsLogDir", Context::GLOBAL, text(NO_TEXT), NO_ANALYTICS),
    inert("UnionStationGatewayAddress", Context::GLOBAL, text(NO_TEXT), NO_ANALYTICS),
    inert("UnionStationGatewayPort", Context::GLOBAL, number(NO_NUMBER, 0, INT_MAX), NO_ANALYTICS),
    inert("UnionStationGatewayCert", Context::GLOBAL, text(NO_TEXT), NO_ANALYTICS),
    inert("UnionStationProxyAddress", Context::GLOBAL, text(NO_TEXT), NO_ANALYTICS),
    inert("UnionStationKey", Context::APPLICATION, text(NO_TEXT), NO_ANALYTICS),
    inert("UnionStationFilter", Context::OPTIONS, text(NO_TEXT), NO_ANALYTICS),
    inert("UnionStationSupport", Context::APPLICATION, flag(NO_FLAG), NO_ANALYTICS),
    inert("PassengerAdminPanelUrl", Context::GLOBAL, text(NO_TEXT), CONTACTS_NO_SERVER),
    inert("PassengerAdminPanelAuthType", Context::GLOBAL, text(NO_TEXT), CONTACTS_NO_SERVER),
    inert("PassengerAdminPanelUsername", Context::GLOBAL, text(NO_TEXT), CONTACTS_NO_SERVER),
    inert("PassengerAdminPanelPassword", Context::GLOBAL, text(NO_TEXT), CONTACTS_NO_SERVER),
    inert("PassengerSecurityUpdateCheckProxy", Context::GLOBAL, text(NO_TEXT), CONTACTS_NO_SERVER),
    inert("PassengerDisableSecurityUpdateCheck", Context::GLOBAL, flag(NO_FLAG), CONTACTS_NO_SERVER),
    inert("PassengerDisableAnonymousTelemetry", Context::GLOBAL, flag(NO_FLAG), CONTACTS_NO_SERVER),
    inert("PassengerAnonymousTelemetryProxy", Context::GLOBAL, text(NO_TEXT), CONTACTS_NO_SERVER),
    inert("PassengerFlyWith", Context::GLOBAL, text(NO_TEXT), NOT_SUPPORTED),
    inert("PassengerLveMinUid", Context::APPLICATION, number(NO_NUMBER, 0, INT_MAX), NOT_SUPPORTED),
    inert("PassengerMeteorAppSettings", Context::APPLICATION, text(NO_TEXT), NOT_SUPPORTED),
    inert("PassengerDebugger", Context::APPLICATION, flag(NO_FLAG), NOT_SUPPORTED),
    inert("PassengerAppConnectPasswordFile", Context::APPLICATION, text(NO_TEXT), NOT_SUPPORTED),
};

}  // namespace Passenger::Directives
