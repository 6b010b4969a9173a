#include "apache2/request/AppFinder.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>

#include "apache2/httpd/PoolText.h"
#include "base/NodePackage.h"

namespace Passenger {

namespace {

constexpr std::array<std::array<const char *, 2>, 5> KINDS{{{"rack", "config.ru"},
                                                            {"wsgi", "passenger_wsgi.py"},
                                                            {"asgi", "passenger_asgi.py"},
                                                            {"node", "app.js"},
                                                            {"asgi", "asgi.py"}}};

/** The startup file of a Django project. The loader finds its wsgi.py or asgi.py by it. */
constexpr const char *DJANGO_FILE = "manage.py";

/** Node from 22.18 on runs TypeScript, too. */
constexpr std::array<std::string_view, 6> NODE_ENDINGS{".js", ".cjs", ".mjs", ".ts", ".cts", ".mts"};

/** Null: the end of the name tells nothing. */
const char *typeByName(std::string_view file) {
    const auto ends = [&](std::string_view ending) { return file.ends_with(ending); };
    return std::any_of(NODE_ENDINGS.begin(), NODE_ENDINGS.end(), ends) ? "node"
           : ends("asgi.py")                                           ? "asgi"
           : ends(".py")                                               ? "wsgi"
           : ends(".ru")                                               ? "rack"
                                                                       : nullptr;
}

std::string_view withoutSlashes(std::string_view path) {
    while (path.size() > 1 && path.back() == '/') {
        path.remove_suffix(1);
    }
    return path;
}

/** `/srv/blog/public` gives `/srv/blog`. Links are not resolved. */
const char *parentOf(apr_pool_t *pool, std::string_view folder) {
    folder = withoutSlashes(folder);
    const std::size_t slash = folder.rfind('/');
    return slash == std::string_view::npos ? nullptr : copyInto(pool, withoutSlashes(folder.substr(0, slash + 1)));
}

/** @return whether `uri` is at or below `baseUri`: `/sub` holds for `/sub` and `/sub/page`, not for
 *  `/submarine` */
bool holds(std::string_view baseUri, std::string_view uri) {
    return uri.starts_with(baseUri) && (uri.size() == baseUri.size() || uri[baseUri.size()] == '/');
}

/** The longest value of PassengerBaseURI that holds. The value `/` is ignored, since the
 *  application is at the root by default. */
const char *baseUriOf(const request_rec *r, const Settings &settings) {
    std::string_view longest;
    for (const char *value : Settings::items(settings.baseUris)) {
        const std::string_view baseUri = withoutSlashes(value);
        if (baseUri.size() > 1 && baseUri.size() > longest.size() && holds(baseUri, r->uri)) {
            longest = baseUri;
        }
    }
    return copyInto(r->pool, longest);
}

/** The folder that the URLs have for the application's root: by an Alias, else below the document
 *  root. */
const char *publicFolderOf(request_rec *r, const char *documentRoot, const char *baseUri) {
    if (*baseUri == '\0') {
        return documentRoot;
    }
    return withoutSlashes(ap_context_prefix(r)) == baseUri
               ? ap_context_document_root(r)
               : apr_pstrcat(r->pool, copyInto(r->pool, withoutSlashes(documentRoot)), baseUri, nullptr);
}

}  // namespace

AppFinder::AppFinder(request_rec *r, const Settings &settings, StartupFileCache &files)
    : documentRoot(ap_document_root(r)), baseUri(baseUriOf(r, settings)) {
    findFolder(r, settings, files);
    if (appRoot != nullptr) {
        findKind(r->pool, settings, files, false);
        if (error != 0) {
            // The file may have been missing for a moment only, as while a release is put in place.
            findKind(r->pool, settings, files, true);
        }
    }
}

const char *AppFinder::candidates(apr_pool_t *pool, const Settings &settings) {
    if (settings.appStartCommand != nullptr || settings.startupFile != nullptr) {
        return settings.startupFile != nullptr ? settings.startupFile : "the folder";
    }
    const char *names = nullptr;
    for (const auto &[kind, file] : KINDS) {
        if (settings.appType == nullptr || std::strcmp(settings.appType, kind) == 0) {
            names = names == nullptr ? file : apr_pstrcat(pool, names, ", ", file, nullptr);
        }
    }
    return names;
}

const char *AppFinder::path(apr_pool_t *pool) const {
    return *startupFile == '/'    ? startupFile
           : *startupFile == '\0' ? appRoot
                                  : apr_pstrcat(pool, appRoot, "/", startupFile, nullptr);
}

void AppFinder::findFolder(request_rec *r, const Settings &settings, StartupFileCache &files) {
    appRoot = settings.appRoot;
    if (appRoot != nullptr) {
        return;
    }
    // A sub-URI is most often a link into the application's folder.
    const std::string_view folder = withoutSlashes(publicFolderOf(r, documentRoot, baseUri));
    const bool follows = *baseUri != '\0' || settings.resolveSymlinksInDocumentRoot;
    publicFolder =
        copyInto(r->pool, follows ? files.follow(folder, StartupFileCache::Clock::now()) : std::string(folder));
    appRoot = parentOf(r->pool, publicFolder);
}

/** A file such as bin/www tells by its first line whether it is for Node. Without such a line it is
 *  of the kind that the folder has by its usual startup file, if that is Node. */
const char *AppFinder::typeOfStartupFile(apr_pool_t *pool, StartupFileCache &files, bool again) const {
    if (const char *named = typeByName(startupFile)) {
        return named;
    }
    const auto now = StartupFileCache::Clock::now();
    const std::string interpreter = files.interpreter(path(pool), now, again);
    const auto first = std::find_if(KINDS.begin(), KINDS.end(), [&](const auto &kind) {
        return files.look(apr_pstrcat(pool, appRoot, "/", kind[1], nullptr), now, again) == 0;
    });
    const bool inNodeFolder = first != KINDS.end() && std::strcmp((*first)[0], "node") == 0;
    return interpreter == "node" || interpreter == "nodejs" || (interpreter.empty() && inNodeFolder) ? "node" : "rack";
}

void AppFinder::findKind(apr_pool_t *pool, const Settings &settings, StartupFileCache &files, bool again) {
    const auto now = StartupFileCache::Clock::now();
    if (settings.appStartCommand != nullptr) {
        startupFile = settings.startupFile != nullptr ? settings.startupFile : "";
    } else if (settings.startupFile != nullptr) {
        startupFile = settings.startupFile;
        type = settings.appType != nullptr ? settings.appType : typeOfStartupFile(pool, files, again);
    } else {
        for (const auto &[kind, file] : KINDS) {
            if (settings.appType != nullptr && std::strcmp(settings.appType, kind) != 0) {
                continue;
            }
            const bool found = files.look(apr_pstrcat(pool, appRoot, "/", file, nullptr), now, again) == 0;
            // The first file of a kind that was set is named where there is none.
            if (found || (settings.appType != nullptr && std::strcmp(type, kind) != 0)) {
                type = kind;
                startupFile = file;
            }
            if (found) {
                break;
            }
        }
        findPackage(pool, settings, files, again);
    }
    error = files.look(path(pool), now, again);
}

/** A folder that has none of the usual startup files: PassengerAppCallable names a module, or the
 *  folder has package.json or Django's manage.py. If no directive names the folder, its document
 *  root must be called `public` and have neither index.php nor index.html. Tools that make a site's
 *  pages have a package.json, too. */
void AppFinder::findPackage(apr_pool_t *pool, const Settings &settings, StartupFileCache &files, bool again) {
    const auto now = StartupFileCache::Clock::now();
    if (files.look(path(pool), now, again) != ENOENT) {
        return;
    }
    if (settings.appType == nullptr && settings.appRoot == nullptr) {
        const char *folder = apr_pstrcat(pool, appRoot, "/public", nullptr);
        if (std::strcmp(publicFolder, folder) != 0) {
            return;
        }
        for (const char *page : {"/index.php", "/index.html"}) {
            if (files.look(apr_pstrcat(pool, folder, page, nullptr), now) == 0) {
                hasPages = true;
                return;
            }
        }
    }
    const std::string_view wanted = settings.appType != nullptr ? settings.appType : "";
    const bool mayBePython = wanted.empty() || wanted == "wsgi" || wanted == "asgi";
    const char *pythonType = wanted == "asgi" ? "asgi" : "wsgi";
    if (mayBePython && settings.appCallable != nullptr && std::strchr(settings.appCallable, ':') != nullptr) {
        type = pythonType;
        startupFile = "";
    } else if (mayBePython && files.look(apr_pstrcat(pool, appRoot, "/", DJANGO_FILE, nullptr), now, again) == 0) {
        // First: Django's projects have a package.json for their front ends.
        type = pythonType;
        startupFile = DJANGO_FILE;
    } else if ((wanted.empty() || wanted == "node") && !files.nodeStart(appRoot, now).empty()) {
        type = "node";
        startupFile = NodePackage::FILE;
    }
}

}  // namespace Passenger
