#include "control/PublicStatus.h"

#include <cstdint>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace Passenger {

namespace {

/** `/srv/blog` gives `blog`, `/srv/blog/current` gives `blog/current`. */
std::string_view lastFolder(std::string_view path) {
    constexpr std::string_view LINK = "/current";
    const std::size_t end = path.ends_with(LINK) ? path.size() - LINK.size() : path.size();
    const std::size_t slash = path.substr(0, end).rfind('/');
    return path.substr(slash == std::string_view::npos ? 0 : slash + 1);
}

/** FNV-1a, the same in each process. */
std::uint32_t hashOf(std::string_view text) {
    std::uint32_t hash = 2'166'136'261U;
    for (const char c : text) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 16'777'619U;
    }
    return hash;
}

std::string publicName(const AppStatus &app) {
    if (!app.name.starts_with('/')) {
        return app.name;
    }
    const std::string root = app.name.starts_with(app.root) && !app.root.empty() ? app.root : app.name;
    const std::string environment = app.environment.empty() ? "" : " (" + app.environment + ")";
    return fmt::format("{}{} #{:08x}", lastFolder(root), environment, hashOf(app.name));
}

}  // namespace

ServerStatus publicPart(ServerStatus status) {
    status.watchdogPid = 0;
    status.poolPid = 0;
    status.httpdPid = 0;
    for (AppStatus &app : status.apps) {
        app.name = publicName(app);
        app.root.clear();
        app.startupFile.clear();
        app.interpreter.clear();
        app.user.clear();
        app.uid = -1;
        app.events.clear();
        app.requests.clear();
        if (app.failure) {
            app.failure->summary.clear();
            app.failure->remedy.clear();
        }
        for (InstanceStatus &instance : app.instances) {
            instance.pid = 0;
            instance.applicationPid = 0;
        }
    }
    return status;
}

}  // namespace Passenger
