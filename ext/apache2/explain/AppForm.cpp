#include "apache2/explain/AppForm.h"

#include <climits>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "apache2/config/Settings.h"
#include "apache2/explain/AppUser.h"
#include "apache2/httpd/PoolText.h"
#include "apache2/request/AppFinder.h"

namespace Passenger::AppForm {

namespace {

using Json = nlohmann::ordered_json;

std::string interpreterOf(const Route &route, const Settings &settings, const Settings &global) {
    const std::string_view type(route.appType);
    return settings.appStartCommand != nullptr ? ""
           : type == "node"                    ? settings.nodejs.value()
           : type == "wsgi" || type == "asgi"  ? settings.python.value()
           : settings.ruby != nullptr          ? settings.ruby.value()
                                               : global.defaultRuby.value();
}

/** The version of a folder whose last name is a link, such as `current`. */
std::string withoutLinks(const char *folder) {
    char path[PATH_MAX];
    return ::realpath(folder, path) != nullptr ? path : folder;
}

}  // namespace

const Route *routeOf(const MadeRequest &made) {
    const Route *route = Route::of(made.r);
    const bool served = made.outcome == OK && route != nullptr && route->appRoot != nullptr &&
                        route->unknown == nullptr && made.r->handler != nullptr &&
                        std::strcmp(made.r->handler, Route::HANDLER) == 0;
    return served ? route : nullptr;
}

nlohmann::ordered_json describe(request_rec *r, const Route &route, const Settings &global, StartupFileCache &files) {
    const Settings &settings = Settings::of(r);
    const AppFinder finder(r, settings, files);
    const AppUser user = AppUser::of(finder.path(r->pool), settings, global);
    Json app{{"name", route.appName},
             {"root", route.appRoot},
             {"real_root", withoutLinks(route.appRoot)},
             {"document_root", orEmpty(route.documentRoot)},
             {"base_uri", *route.baseUri != '\0' ? route.baseUri : "/"},
             {"environment", settings.appEnv.value()},
             {"type", settings.appStartCommand != nullptr ? "command" : route.appType},
             {"startup_file", route.startupFile},
             {"start_command", orEmpty(settings.appStartCommand)},
             {"interpreter", interpreterOf(route, settings, global)},
             {"user", user.user},
             {"group", user.group},
             {"user_note", user.note},
             {"user_remedy", user.remedy}};
    app["problem"] = orEmpty(route.problem);
    return app;
}

nlohmann::ordered_json describe(const server_rec *server) {
    Json host{{"name", orEmpty(server->server_hostname)}, {"main_server", server->is_virtual == 0}};
    if (server->is_virtual != 0) {
        host["file"] = orEmpty(server->defn_name);
        host["line"] = server->defn_line_number;
    }
    return host;
}

}  // namespace Passenger::AppForm
