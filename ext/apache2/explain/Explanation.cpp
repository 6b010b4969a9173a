#include "apache2/explain/Explanation.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <type_traits>
#include <variant>

#include <nlohmann/json.hpp>

#include "apache2/config/DirectiveTable.h"
#include "apache2/config/Origins.h"
#include "apache2/config/Settings.h"
#include "apache2/explain/AppUser.h"
#include "apache2/explain/MadeRequest.h"
#include "apache2/request/AppFinder.h"
#include "apache2/request/Route.h"
#include "apache2/request/UnknownApplication.h"
#include "base/Exceptions.h"
#include "control/ExplainWords.h"

extern "C" {
#include <unixd.h>
}

namespace Passenger::Explanation {

namespace {

using Json = nlohmann::ordered_json;
using Directives::Directive;

/** Of ap_unixd_config, without the directive. */
constexpr unsigned NONE = static_cast<unsigned>(-1);

/** While run() runs. */
constinit StartupFileCache *theCache = nullptr;

/** Code that runs as another user could push bytes into root's terminal otherwise (TIOCSTI). */
void leaveTerminal() {
    const int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (terminal >= 0) {
        ioctl(terminal, TIOCNOTTY);
        close(terminal);
    }
}

/**
 * Makes this process a httpd child for good, if root has started it: children look for files, and
 * read .htaccess, whose author may have modules run code.
 * @throws SystemException, IOException (httpd has no user)
 */
void giveUpRoot() {
    if (geteuid() != 0) {
        return;
    }
    leaveTerminal();
    const uid_t uid = ap_unixd_config.user_id;
    const gid_t gid = ap_unixd_config.group_id;
    if (uid == 0 || uid == NONE || gid == NONE) {
        throw IOException("httpd's configuration has no User and Group, or they are root's");
    }
    // httpd has one thread while it checks its configuration.
    const passwd *user = getpwuid(uid);  // NOLINT(concurrency-mt-unsafe)
    const int groups = user != nullptr ? initgroups(user->pw_name, gid) : setgroups(1, &gid);
    if (groups != 0 || setgid(gid) != 0 || setuid(uid) != 0 || setuid(0) == 0) {
        throw SystemException("the rights of httpd's user cannot be taken", errno);
    }
}

std::string orEmpty(const char *text) {
    return text != nullptr ? text : "";
}

Json valueOf(Settings::Text text) {
    return text;
}
Json valueOf(const Settings::Number &number) {
    return std::to_string(*number);
}
Json valueOf(const Settings::Flag &flag) {
    return *flag ? "On" : "Off";
}
Json valueOf(Settings::List list) {
    Json values = Json::array();
    for (const char *text : Settings::items(list)) {
        values.push_back(text);
    }
    return values;
}

Json placeOf(const Origin &origin) {
    return {{"file", origin.file}, {"line", origin.line}};
}

bool isOf(const Origin &origin, const Directive &directive) {
    const char *name = origin.directive->successor != nullptr ? origin.directive->successor : origin.directive->name;
    return std::strcmp(name, directive.name) == 0;
}

/** The places that give the setting its value: of a list all, the outermost first. */
Json placesOf(const Directive &directive, const Settings &settings) {
    const bool isList = std::holds_alternative<Settings::List Settings::*>(directive.field.member);
    Json places = Json::array();
    for (const Origin *origin = settings.origins; origin != nullptr; origin = origin->earlier) {
        if (isOf(*origin, directive) && (isList || places.empty())) {
            places.insert(places.begin(), placeOf(*origin));
        }
    }
    return places;
}

/** All settings: `set_at` has no place for a default. */
Json describe(const Settings &settings, const Settings &global) {
    Json all = Json::array();
    for (const Directive &directive : Directives::TABLE) {
        if (directive.notice != nullptr || directive.successor != nullptr) {
            continue;
        }
        const Settings &place = directive.context == Directives::Context::GLOBAL ? global : settings;
        Json entry{{"directive", directive.name}, {"value", orEmpty(directive.fallback)}, {"set_at", Json::array()}};
        std::visit(
            [&](auto member) {
                if (member != nullptr && place.*member) {
                    entry["value"] = valueOf(place.*member);
                    entry["set_at"] = placesOf(directive, place);
                }
            },
            directive.field.member);
        all.push_back(std::move(entry));
    }
    return all;
}

Json describe(const server_rec *server) {
    Json host{{"name", orEmpty(server->server_hostname)}, {"main_server", server->is_virtual == 0}};
    if (server->is_virtual != 0) {
        host["file"] = orEmpty(server->defn_name);
        host["line"] = server->defn_line_number;
    }
    return host;
}

std::string interpreterOf(const Route &route, const Settings &settings, const Settings &global) {
    const std::string_view type(route.appType);
    return settings.appStartCommand != nullptr ? ""
           : type == "node"                    ? (settings.nodejs != nullptr ? settings.nodejs : "node")
           : type == "wsgi" || type == "asgi"  ? (settings.python != nullptr ? settings.python : "python3")
           : settings.ruby != nullptr          ? settings.ruby
                                               : global.defaultRubyOrDefault();
}

/** The version of a folder whose last name is a link, such as `current`. */
std::string withoutLinks(const char *folder) {
    char path[PATH_MAX];
    return ::realpath(folder, path) != nullptr ? path : folder;
}

Json describe(request_rec *r, const Route &route, const Settings &settings, const Settings &global) {
    const AppFinder finder(r, settings, *theCache);
    const AppUser user = AppUser::of(finder.path(r->pool), settings, global);
    Json app{{"name", route.appName},
             {"root", route.appRoot},
             {"real_root", withoutLinks(route.appRoot)},
             {"document_root", orEmpty(route.documentRoot)},
             {"base_uri", *route.baseUri != '\0' ? route.baseUri : "/"},
             {"environment", settings.appEnvOrDefault()},
             {"type", settings.appStartCommand != nullptr ? "command" : route.appType},
             {"startup_file", route.startupFile},
             {"start_command", orEmpty(settings.appStartCommand)},
             {"interpreter", interpreterOf(route, settings, global)},
             {"user", user.user},
             {"group", user.group},
             {"user_note", user.note}};
    app["problem"] = orEmpty(route.problem);
    return app;
}

std::string placeText(const Directive &directive, const Settings &settings) {
    const Json places = placesOf(directive, settings);
    return places.empty()
               ? ""
               : " (" + places[0]["file"].get<std::string>() + ":" + std::to_string(places[0]["line"].get<int>()) + ")";
}

const Directive &directiveNamed(const char *name) {
    for (const Directive &directive : Directives::TABLE) {
        if (std::strcmp(directive.name, name) == 0) {
            return directive;
        }
    }
    return Directives::TABLE.front();
}

std::string answerOf(const MadeRequest &made) {
    const char *location = apr_table_get(made.r->headers_out, "Location");
    location = location != nullptr ? location : apr_table_get(made.r->err_headers_out, "Location");
    const std::string status = std::to_string(made.outcome);
    return location != nullptr ? "httpd redirects to " + std::string(location) + " (" + status + ")"
                               : "httpd answers with status " + status + " before an application is looked for";
}

/** The reason why no application serves the request. */
std::string reasonOf(const MadeRequest &made, const Settings &settings) {
    request_rec *r = made.r;
    const auto *core = static_cast<const core_dir_config *>(ap_get_core_module_config(r->per_dir_config));
    if (made.outcome != OK) {
        return answerOf(made);
    }
    if (!settings.isEnabled()) {
        return "PassengerEnabled is Off here" + placeText(directiveNamed("PassengerEnabled"), settings);
    }
    if (r->proxyreq != PROXYREQ_NONE) {
        return "mod_proxy passes the request on to " + orEmpty(r->filename);
    }
    if (core->handler != nullptr || core->expr_handler != nullptr) {
        return "SetHandler gives the request to " +
               (r->handler != nullptr ? "\"" + std::string(r->handler) + "\"" : std::string("another handler"));
    }
    if (r->finfo.filetype == APR_REG) {
        return "the file " + orEmpty(r->filename) + " exists, and httpd answers with it";
    }
    const AppFinder app(r, settings, *theCache);
    if (app.appRoot == nullptr) {
        return "the DocumentRoot " + orEmpty(app.documentRoot) +
               " has no parent folder: set PassengerAppRoot to the application's folder";
    }
    if (const auto *unknown = UnknownApplication::at(r, app, settings, *theCache)) {
        return unknown->text(r->pool);
    }
    if (app.error == ENOENT) {
        return "there is no application: " + std::string(app.appRoot) + " has none of " +
               AppFinder::candidates(r->pool, settings);
    }
    if (app.error != 0) {
        return std::string(app.path(r->pool)) + " cannot be seen by httpd's user " +
               orEmpty(ap_unixd_config.user_name) + ": " + std::strerror(app.error);
    }
    return "another module answers" + (r->handler != nullptr ? ": handler \"" + std::string(r->handler) + "\"" : "");
}

Json explain(apr_pool_t *pool, server_rec *main, const char *url) {
    giveUpRoot();
    const MadeRequest made = MadeRequest::of(pool, main, url);
    Json answer{{"url", url}, {"served", false}};
    if (made.r == nullptr) {
        answer["problem"] = made.problem;
        return answer;
    }
    const Settings &settings = Settings::of(made.r);
    const Settings &global = Settings::of(main);
    const Route *route = Route::of(made.r);
    const bool served = made.outcome == OK && route != nullptr && route->appRoot != nullptr &&
                        route->unknown == nullptr && made.r->handler != nullptr &&
                        std::strcmp(made.r->handler, Route::HANDLER) == 0;
    answer["virtual_host"] = describe(made.r->server);
    answer["file_name"] = orEmpty(made.r->filename);
    answer["served"] = served;
    if (served) {
        answer["application"] = describe(made.r, *route, settings, global);
    } else {
        answer["reason"] = reasonOf(made, settings);
    }
    answer["settings"] = describe(settings, global);
    return answer;
}

}  // namespace

void addHooks() {
    Origins::prepare();
    if (Origins::url() == nullptr) {
        return;
    }
    // For subrequests, of mod_dir and of cached pages, which pass all phases. mod_mime reads its
    // types only for service, and nobody is there to be let in.
    const auto accept = [](request_rec *) { return OK; };
    ap_hook_type_checker(accept, nullptr, nullptr, APR_HOOK_REALLY_FIRST);
    ap_hook_access_checker_ex(accept, nullptr, nullptr, APR_HOOK_REALLY_FIRST);
}

StartupFileCache *startupFiles() noexcept {
    return theCache;
}

void run(apr_pool_t *pool, server_rec *main) {
    if (Origins::url() == nullptr) {
        return;
    }
    StartupFileCache cache;
    theCache = &cache;
    Json answer;
    try {
        answer = explain(pool, main, Origins::url());
    } catch (const std::exception &problem) {
        answer = {{"url", Origins::url()}, {"served", false}, {"problem", problem.what()}};
    }
    theCache = nullptr;
    std::printf("%s%s\n", ExplainWords::LINE, answer.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
    std::fflush(stdout);
}

}  // namespace Passenger::Explanation
