#include "apache2/request/Route.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "apache2/httpd/PoolText.h"
#include "apache2/request/AppFinder.h"
#include "apache2/request/LocationView.h"
#include "apache2/request/MimeChoices.h"
#include "apache2/request/SetHandler.h"
#include "apache2/request/UnknownApplication.h"

namespace Passenger {

namespace {

/** @return whether the request leaves for another server or another URL, or has no file name */
bool leaves(const request_rec *r) {
    // mod_rewrite sets this handler to make a redirect; the redirected request passes the hooks
    // again.
    return r->uri == nullptr || r->uri[0] != '/' || r->filename == nullptr || r->proxyreq != PROXYREQ_NONE ||
           (r->handler != nullptr && std::strcmp(r->handler, "redirect-handler") == 0);
}

/** @return whether another module answers the request, whatever is on the disk */
bool belongsToAnother(request_rec *r) {
    // mod_mime may have replaced the handler of ScriptAlias. The note stays. CONNECT asks for a
    // tunnel, which the answer 200 would open at a balancer in front of httpd.
    return leaves(r) || r->method_number == M_CONNECT || apr_table_get(r->notes, "alias-forced-type") != nullptr ||
           MimeChoices::anotherChoseHandler(r) || SetHandler::choosesModule(r);
}

/** The name of Options::groupName(), with the user and group if the configuration sets them:
 *  different users share no instances by default. */
const char *defaultName(apr_pool_t *pool, const char *appRoot, const Settings &settings) {
    const char *user = settings.user != nullptr ? settings.user : "";
    const char *group = settings.group != nullptr ? settings.group : "";
    return apr_pstrcat(pool, appRoot, " (", settings.appEnv.value(), ")", *user != '\0' || *group != '\0' ? " as " : "",
                       user, *group != '\0' ? ":" : "", group, nullptr);
}

const char *nameOf(apr_pool_t *pool, const AppFinder &app, const Settings &settings) {
    return settings.appGroupName != nullptr ? settings.appGroupName : defaultName(pool, app.appRoot, settings);
}

/** While its startup file is missing, an application that has answered this process stays what it
 *  was: its instances go on. */
AppFinder find(request_rec *r, const Settings &settings, StartupFileCache &files) {
    const AppFinder app(r, settings, files);
    if (app.appRoot == nullptr || (app.error != ENOENT && app.error != ENOTDIR)) {
        return app;
    }
    const auto start = files.startOf(nameOf(r->pool, app, settings));
    if (!start) {
        return app;
    }
    AppFinder before = app;
    before.type = copyInto(r->pool, start->type);
    before.startupFile = copyInto(r->pool, start->file);
    before.error = 0;
    // An index page that has come excludes a startup file that is there.
    const bool excluded = app.hasPages && files.look(before.path(r->pool), StartupFileCache::Clock::now()) == 0;
    return excluded ? app : before;
}

/** @return whether an application is there, or the configuration says that one must be */
bool isThere(const AppFinder &app, const Settings &settings) {
    return app.appRoot != nullptr && (app.error == 0 || settings.appRoot != nullptr);
}

bool isRealFile(const request_rec *r) {
    if (r->finfo.filetype == APR_NOFILE || r->finfo.filetype == APR_DIR) {
        return false;
    }
    bool hasMorePath = r->path_info != nullptr && *r->path_info != '\0';
    // `/file.css/more` names no file, unless a handler is set that wants the rest of the path.
    return !hasMorePath || r->handler != nullptr;
}

/** @return whether mod_autoindex answers with a list of the folder */
bool isListed(request_rec *r) {
    return r->finfo.filetype == APR_DIR && (ap_allow_options(r) & OPT_INDEXES) != 0 &&
           ap_find_linked_module("mod_autoindex.c") != nullptr;
}

bool isFile(const char *path) {
    struct stat file {};
    return stat(path, &file) == 0 && S_ISREG(file.st_mode);
}

struct Page {
    /** Null: there is none. */
    const char *file = nullptr;
    const char *uri = nullptr;
};

Page cachedPage(const request_rec *r) {
    if (r->method_number != M_GET || (r->path_info != nullptr && *r->path_info != '\0')) {
        return {};
    }
    std::string_view name(r->filename);
    while (name.size() > 1 && name.back() == '/') {
        name.remove_suffix(1);
    }
    const bool endsInSlash = std::string_view(r->uri).ends_with('/');
    const char *page = apr_pstrcat(r->pool, copyInto(r->pool, name), ".html", nullptr);
    if (!endsInSlash && isFile(page)) {
        return {page, apr_pstrcat(r->pool, r->uri, ".html", nullptr)};
    }
    page = apr_pstrcat(r->pool, copyInto(r->pool, name), "/index.html", nullptr);
    if (r->finfo.filetype == APR_DIR && isFile(page)) {
        return {page, apr_pstrcat(r->pool, r->uri, endsInSlash ? "index.html" : "/index.html", nullptr)};
    }
    return {};
}

/** Makes httpd serve the page for this request, with the access rules, type and headers of its URI.
 *  @return false: the URI leads elsewhere, after a RewriteRule for the request or for the page */
bool serve(request_rec *r, const Page &page) {
    const char *uri = ap_escape_uri(r->pool, page.uri);
    request_rec *found =
        ap_sub_req_lookup_uri(r->args != nullptr ? apr_pstrcat(r->pool, uri, "?", r->args, nullptr) : uri, r, nullptr);
    const bool same = found->filename != nullptr && std::strcmp(found->filename, page.file) == 0;
    if (same && found->status == HTTP_OK && found->finfo.filetype == APR_REG) {
        ap_internal_fast_redirect(found, r);
        return true;
    }
    ap_destroy_sub_req(found);
    return false;
}

}  // namespace

Route *Route::mutableOf(const request_rec *r) noexcept {
    return static_cast<Route *>(ap_get_module_config(r->request_config, &passenger_module));
}

const Route *Route::of(const request_rec *r) noexcept {
    return mutableOf(r);
}

apr_status_t Route::look(apr_finfo_t *file, request_rec *r, apr_int32_t wanted) noexcept {
    // The first look is at the whole path, and httpd goes on whatever it finds.
    if (file == &r->finfo) {
        return AP_DECLINED;
    }
    const apr_status_t status = apr_stat(file, r->filename, wanted, r->pool);
    if (!APR_STATUS_IS_ENAMETOOLONG(status)) {
        return status;
    }
    auto *route = new (apr_palloc(r->pool, sizeof(Route))) Route;
    route->beyondFiles = true;
    ap_set_module_config(r->request_config, &passenger_module, route);
    return APR_ENOENT;
}

Route &Route::take(request_rec *r, const AppFinder &app, const Settings &settings) {
    Route *route = mutableOf(r);
    if (route == nullptr) {
        route = new (apr_palloc(r->pool, sizeof(Route))) Route;
        ap_set_module_config(r->request_config, &passenger_module, route);
    }
    route->documentRoot = app.documentRoot;
    route->baseUri = app.baseUri;
    route->appRoot = app.appRoot;
    route->appType = app.type;
    route->startupFile = app.startupFile;
    route->appName = nameOf(r->pool, app, settings);
    // The application's user may have rights that this process lacks.
    if (app.error != 0 && app.error != EACCES) {
        char text[128];
        route->problem =
            apr_psprintf(r->pool, "%s: %s", app.path(r->pool), apr_strerror(app.error, text, sizeof(text)));
    }
    route->fileType = r->finfo.filetype;
    claim(r);
    return *route;
}

int Route::decideAhead(request_rec *r, StartupFileCache &startupFiles) {
    LocationView view(r);
    // httpd answers TRACE in this hook. mod_negotiation needs what httpd finds on the disk.
    if (!view.found() || !Settings::of(r).highPerformance || r->method_number == M_TRACE ||
        (ap_allow_options(r) & OPT_MULTI) != 0) {
        return DECLINED;
    }
    const int decision = decideUnseen(r, startupFiles);
    if (decision == OK) {
        view.keep();
    }
    return decision;
}

int Route::decideUnseen(request_rec *r, StartupFileCache &startupFiles) {
    const bool looks = !belongsToAnother(r) && r->finfo.filetype == APR_NOFILE;
    if (looks) {
        const apr_status_t status = apr_stat(&r->finfo, r->filename, APR_FINFO_MIN, r->pool);
        if (status != APR_SUCCESS) {
            r->finfo.filetype = APR_NOFILE;
        }
        if (APR_STATUS_IS_ENOTDIR(status)) {
            // The path goes on behind a file, which may be a script.
            return DECLINED;
        }
    }
    const int decision = decideApplication(r, startupFiles, true);
    if (looks && decision != OK) {
        r->finfo.filetype = APR_NOFILE;
    }
    return decision;
}

int Route::decide(request_rec *r, StartupFileCache &startupFiles) {
    const Route *route = of(r);
    if (route != nullptr && route->ahead && !belongsToAnother(r)) {
        // mod_mime may have derived a handler from the name meanwhile.
        claim(r);
        return OK;
    }
    if (route != nullptr && route->ahead) {
        // Another module has chosen its handler meanwhile.
        r->finfo.filetype = route->fileType;
        return DECLINED;
    }
    int decision = decideApplication(r, startupFiles, false);
    route = of(r);
    // Without look(), httpd would have refused the request.
    const bool refused = route != nullptr && route->beyondFiles && !leaves(r);
    return decision == DECLINED && refused ? HTTP_FORBIDDEN : decision;
}

int Route::decideApplication(request_rec *r, StartupFileCache &startupFiles, bool ahead) {
    const Settings &settings = Settings::of(r);
    if (!settings.enabled || belongsToAnother(r) || isRealFile(r)) {
        return DECLINED;
    }
    const AppFinder app = find(r, settings, startupFiles);
    if (!isThere(app, settings)) {
        return DECLINED;
    }
    const Page page = cachedPage(r);
    if (page.file != nullptr && ahead) {
        return DECLINED;
    }
    if (page.file != nullptr && serve(r, page)) {
        return OK;
    }
    take(r, app, settings).ahead = ahead;
    return OK;
}

int Route::decideUnknown(request_rec *r, StartupFileCache &startupFiles) {
    const Settings &settings = Settings::of(r);
    // mod_dir names the handler of folders.
    const bool hasHandler = r->handler != nullptr && std::strcmp(r->handler, DIR_MAGIC_TYPE) != 0;
    if (ap_is_initial_req(r) == 0 || !settings.enabled || hasHandler || r->finfo.filetype == APR_REG ||
        belongsToAnother(r) || isListed(r)) {
        return DECLINED;
    }
    const AppFinder app = find(r, settings, startupFiles);
    const UnknownApplication *unknown = UnknownApplication::at(r, app, settings, startupFiles);
    if (unknown == nullptr) {
        return DECLINED;
    }
    unknown->log(r);
    if (settings.showsFriendlyErrorPages()) {
        take(r, app, settings).unknown = unknown;
    }
    return OK;
}

const char *Route::applicationAt(request_rec *r, StartupFileCache &startupFiles) {
    const Settings &settings = Settings::of(r);
    if (!settings.enabled) {
        return nullptr;
    }
    const AppFinder app = find(r, settings, startupFiles);
    return isThere(app, settings) ? nameOf(r->pool, app, settings) : nullptr;
}

void Route::claim(request_rec *r) {
    r->handler = HANDLER;
    // Keeps mod_dir from a redirect or an index, and mod_autoindex from a list of the folder.
    r->finfo.filetype = APR_NOFILE;
    MimeChoices::removeFilters(r);
}

}  // namespace Passenger
