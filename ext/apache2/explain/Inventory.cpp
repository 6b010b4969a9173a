#include "apache2/explain/Inventory.h"

#include <set>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "apache2/config/Settings.h"
#include "apache2/explain/AppForm.h"
#include "apache2/explain/MadeRequest.h"
#include "apache2/explain/Unserved.h"
#include "apache2/httpd/PoolText.h"

extern "C" {
#include <apr_uri.h>
#include <unixd.h>
}

namespace Passenger::Inventory {

namespace {

using Json = nlohmann::ordered_json;
using Paths = std::set<std::string>;

void addBaseUris(const Settings &settings, Paths &paths) {
    for (const char *uri : Settings::items(settings.baseUris)) {
        paths.insert(uri);
    }
}

/** @param sections `<Location>` or `<Directory>` of a server; may be null */
void addSections(const apr_array_header_t *sections, bool areUrls, Paths &paths) {
    for (int i = 0; sections != nullptr && i < sections->nelts; ++i) {
        auto *section = APR_ARRAY_IDX(sections, i, ap_conf_vector_t *);
        const auto *core = static_cast<const core_dir_config *>(ap_get_core_module_config(section));
        if (areUrls && core->d != nullptr && *core->d == '/' && core->r == nullptr && core->d_is_fnmatch == 0) {
            paths.insert(core->d);
        }
        if (const Settings *settings = Settings::in(section)) {
            addBaseUris(*settings, paths);
        }
    }
}

/** Where an application of this server may begin. */
Paths pathsOf(const server_rec *server) {
    Paths paths{"/"};
    const auto *core = static_cast<const core_server_config *>(ap_get_core_module_config(server->module_config));
    addBaseUris(Settings::of(server), paths);
    addSections(core->sec_url, true, paths);
    addSections(core->sec_dir, false, paths);
    return paths;
}

/** For people, who may give it to passenger-config explain. */
std::string urlOf(const request_rec *r, const std::string &path) {
    const std::string scheme = ap_http_scheme(r);
    const apr_port_t port = r->connection->local_addr->port;
    return scheme + "://" + orEmpty(r->server->server_hostname) +
           (port == apr_uri_port_of_scheme(scheme.c_str()) ? "" : ":" + std::to_string(port)) + path;
}

/** What an inventory has so far. */
struct Found {
    const Settings &global;
    StartupFileCache &files;
    std::set<std::string> names{};
    /** Folder and reason. */
    std::set<std::pair<std::string, std::string>> mistakes{};
    Json applications = Json::array();
    Json unserved = Json::array();

    /** @return whether an application serves the path */
    bool serves(apr_pool_t *pool, server_rec *server, const std::string &path) {
        const MadeRequest made = MadeRequest::at(pool, server, path.c_str());
        const Route *route = AppForm::routeOf(made);
        if (route != nullptr && names.insert(route->appName).second) {
            applications.push_back(
                {{"url", urlOf(made.r, path)}, {"application", AppForm::describe(made.r, *route, global, files)}});
        } else if (route == nullptr && Unserved::isMistake(made, files)) {
            const std::string folder = orEmpty(ap_document_root(made.r));
            std::string reason = Unserved::reason(made, files);
            // Two virtual hosts of one site, for the ports 80 and 443, have the same.
            if (mistakes.emplace(folder, reason).second) {
                unserved.push_back(
                    {{"url", urlOf(made.r, path)}, {"document_root", folder}, {"reason", std::move(reason)}});
            }
        }
        return route != nullptr;
    }
    void look(apr_pool_t *pool, server_rec *server, const std::string &path) {
        // httpd may answer the top itself, by an index.html or a redirect.
        if (!serves(pool, server, path)) {
            serves(pool, server, path + (path.ends_with('/') ? "" : "/") + "passenger-validate-install");
        }
    }
};

}  // namespace

Json describe(apr_pool_t *pool, server_rec *main, StartupFileCache &files) {
    Found found{Settings::of(main), files};
    for (server_rec *server = main; server != nullptr; server = server->next) {
        for (const std::string &path : pathsOf(server)) {
            apr_pool_t *own = nullptr;
            apr_pool_create(&own, pool);
            found.look(own, server, path);
            apr_pool_destroy(own);
        }
    }
    return {{"httpd_user", orEmpty(ap_unixd_config.user_name)},
            {"applications", std::move(found.applications)},
            {"unserved", std::move(found.unserved)}};
}

}  // namespace Passenger::Inventory
