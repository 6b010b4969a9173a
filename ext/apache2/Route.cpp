#include "Route.h"

#include <sys/stat.h>

#include <array>
#include <climits>
#include <cstring>
#include <string>
#include <string_view>

namespace Passenger {

namespace {

/** `/srv/blog/public` gives `/srv/blog`. Links are left as they are. */
const char *parentOf(apr_pool_t *pool, const char *folder) {
    std::size_t length = std::strlen(folder);
    while (length > 1 && folder[length - 1] == '/') {
        --length;
    }
    while (length > 0 && folder[length - 1] != '/') {
        --length;
    }
    while (length > 1 && folder[length - 1] == '/') {
        --length;
    }
    return length == 0 ? nullptr : apr_pstrmemdup(pool, folder, length);
}

/** Requests that are somebody else's, whatever is on the disk. */
bool belongsToAnother(const request_rec *r) {
    if (r->uri == nullptr || r->uri[0] != '/' || r->filename == nullptr || r->proxyreq != PROXYREQ_NONE) {
        return true;
    }
    // mod_rewrite asks for a redirect by this handler; the redirected request comes here again.
    if (r->handler != nullptr && std::strcmp(r->handler, "redirect-handler") == 0) {
        return true;
    }
    // SetHandler is said for a place on purpose (server-status …), unlike a handler that mod_mime derives from a name's extension.
    const auto *core = static_cast<const core_dir_config *>(ap_get_core_module_config(r->per_dir_config));
    return core->handler != nullptr || core->expr_handler != nullptr;
}

bool isRealFile(const request_rec *r) {
    if (r->finfo.filetype == APR_NOFILE || r->finfo.filetype == APR_DIR) {
        return false;
    }
    bool hasMorePath = r->path_info != nullptr && *r->path_info != '\0';
    // `/file.css/more` names no file, unless something handles the file and wants the rest of the path.
    return !hasMorePath || r->handler != nullptr;
}

bool isFile(const std::string &path) {
    struct stat file {};
    return stat(path.c_str(), &file) == 0 && S_ISREG(file.st_mode);
}

/** What kind of application is in a folder, and whether it is there. */
struct Found {
    const char *type = "rack";
    const char *startupFile = "config.ru";
    /** Of a look at the startup file, or at the folder where none is needed; 0: it is there. */
    int error = 0;
};

constexpr std::array<Found, 3> KINDS{{{"rack", "config.ru"}, {"wsgi", "passenger_wsgi.py"}, {"node", "app.js"}}};

const char *typeByName(std::string_view file) {
    return file.ends_with(".js") || file.ends_with(".cjs") || file.ends_with(".mjs") ? "node"
           : file.ends_with(".py")                                                   ? "wsgi"
                                                                                     : "rack";
}

std::string pathIn(const std::string &appRoot, const char *file) {
    return *file == '/' ? file : *file == '\0' ? appRoot : appRoot + "/" + file;
}

Found findApplication(const std::string &appRoot, const Settings &settings, StartupFileCache &files) {
    Found found;
    if (settings.appStartCommand != nullptr) {
        found = {"rack", settings.startupFile != nullptr ? settings.startupFile : ""};
    } else if (settings.startupFile != nullptr) {
        found = {settings.appType != nullptr ? settings.appType : typeByName(settings.startupFile),
                 settings.startupFile};
    } else {
        for (const Found &kind : KINDS) {
            const bool wanted = settings.appType == nullptr || std::strcmp(settings.appType, kind.type) == 0;
            if (wanted && (settings.appType != nullptr ||
                           files.look(pathIn(appRoot, kind.startupFile), StartupFileCache::Clock::now()) == 0)) {
                found = kind;
                break;
            }
        }
    }
    found.error = files.look(pathIn(appRoot, found.startupFile), StartupFileCache::Clock::now());
    return found;
}

/** The URI of the cached page for this request (of a file that exists), or null. */
const char *cachedPage(const request_rec *r) {
    if (r->method_number != M_GET || (r->path_info != nullptr && *r->path_info != '\0')) {
        return nullptr;
    }
    std::string file = r->filename;
    std::string uri = r->uri;
    while (file.size() > 1 && file.back() == '/') {
        file.pop_back();
    }
    bool endsInSlash = uri.back() == '/';
    if (!endsInSlash && isFile(file + ".html")) {
        return ap_escape_uri(r->pool, (uri + ".html").c_str());
    }
    if (r->finfo.filetype == APR_DIR && isFile(file + "/index.html")) {
        return ap_escape_uri(r->pool, (uri + (endsInSlash ? "index.html" : "/index.html")).c_str());
    }
    return nullptr;
}

/** Lets httpd serve another URI for this request, with that one's access rules, type and headers. */
bool serveInstead(request_rec *r, const char *uri) {
    const char *target = r->args != nullptr ? apr_pstrcat(r->pool, uri, "?", r->args, nullptr) : uri;
    request_rec *page = ap_sub_req_lookup_uri(target, r, nullptr);
    if (page->status == HTTP_OK && page->finfo.filetype == APR_REG) {
        ap_internal_fast_redirect(page, r);
        return true;
    }
    ap_destroy_sub_req(page);
    return false;
}

}  // namespace

Route *Route::mutableOf(const request_rec *r) noexcept {
    return static_cast<Route *>(ap_get_module_config(r->request_config, &passenger_module));
}

const Route *Route::of(const request_rec *r) noexcept {
    return mutableOf(r);
}

int Route::cutLongNames(request_rec *r) {
    if (belongsToAnother(r) || !Settings::of(r).isEnabled()) {
        return DECLINED;
    }
    const char *name = r->filename;
    for (const char *at = r->filename;; ++at) {
        if (*at != '/' && *at != '\0') {
            continue;
        }
        if (at - name > NAME_MAX) {
            r->filename = apr_pstrmemdup(r->pool, r->filename, static_cast<apr_size_t>(name - r->filename));
            auto *route = new (apr_palloc(r->pool, sizeof(Route))) Route;
            route->beyondFiles = true;
            ap_set_module_config(r->request_config, &passenger_module, route);
            return DECLINED;
        }
        if (*at == '\0') {
            return DECLINED;
        }
        name = at + 1;
    }
}

int Route::decide(request_rec *r, StartupFileCache &startupFiles) {
    int decision = decideApplication(r, startupFiles);
    const Route *route = of(r);
    // httpd looked at the folder in which the file cannot be; it must not answer with that.
    bool misled = route != nullptr && route->beyondFiles && !belongsToAnother(r);
    return decision == DECLINED && misled ? HTTP_NOT_FOUND : decision;
}

int Route::decideApplication(request_rec *r, StartupFileCache &startupFiles) {
    const Settings &settings = Settings::of(r);
    if (!settings.isEnabled() || belongsToAnother(r) || isRealFile(r)) {
        return DECLINED;
    }
    const char *documentRoot = ap_document_root(r);
    const char *appRoot = settings.appRoot != nullptr ? settings.appRoot : parentOf(r->pool, documentRoot);
    if (appRoot == nullptr) {
        return DECLINED;
    }
    const Found found = findApplication(appRoot, settings, startupFiles);
    const int error = found.error;
    if (error != 0 && settings.appRoot == nullptr) {
        return DECLINED;
    }
    auto *route = mutableOf(r);
    const char *page = route == nullptr ? cachedPage(r) : nullptr;
    if (page != nullptr && serveInstead(r, page)) {
        return OK;
    }

    if (route == nullptr) {
        route = new (apr_palloc(r->pool, sizeof(Route))) Route;
        ap_set_module_config(r->request_config, &passenger_module, route);
    }
    route->documentRoot = documentRoot;
    route->appRoot = appRoot;
    route->appType = found.type;
    route->startupFile = found.startupFile;
    route->appName = settings.appGroupName != nullptr
                         ? settings.appGroupName
                         : apr_pstrcat(r->pool, appRoot, " (", settings.appEnvOrDefault(), ")", nullptr);
    // What this process may not see the application's user perhaps may.
    if (error != 0 && error != EACCES) {
        char text[128];
        route->problem = apr_psprintf(r->pool, "%s: %s", pathIn(appRoot, found.startupFile).c_str(),
                                      apr_strerror(error, text, sizeof(text)));
    }
    r->handler = HANDLER;
    // mod_dir would redirect to the folder or look for an index in it, mod_autoindex would list it.
    r->finfo.filetype = APR_NOFILE;
    return OK;
}

}  // namespace Passenger
