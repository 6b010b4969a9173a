#include "apache2/explain/Inventory.h"

#include <set>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "apache2/config/Settings.h"
#include "apache2/explain/AppForm.h"
#include "apache2/explain/MadeRequest.h"
#include "apache2/explain/Unserved.h"

extern "C" {
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
std::string urlOf(const server_rec *server, const std::string &path) {
    const apr_port_t named = server->port != 0 || server->addrs == nullptr ? server->port : server->addrs->host_port;
    const std::string port = named != 0 && named != DEFAULT_HTTP_PORT ? ":" + std::to_string(named) : "";
    return std::string("http://") + (server->server_hostname != nullptr ? server->server_hostname : "") + port + path;
}

/** What an inventory has so far. */
struct Found {
    const Settings &global;
    StartupFileCache &files;
    std::set<std::string> names{};
    Json applications = Json::array();
    Json unserved = Json::array();

    void look(apr_pool_t *pool, server_rec *server, const std::string &path) {
        const MadeRequest made = MadeRequest::at(pool, server, path.c_str());
        Json entry{{"url", urlOf(server, path)}, {"virtual_host", AppForm::describe(server)}};
        if (const Route *route = AppForm::routeOf(made)) {
            if (names.insert(route->appName).second) {
                entry["application"] = AppForm::describe(made.r, *route, global, files);
                applications.push_back(std::move(entry));
            }
        } else if (Unserved::isMistake(made, files)) {
            const char *root = ap_document_root(made.r);
            entry["document_root"] = root != nullptr ? root : "";
            entry["reason"] = Unserved::reason(made, files);
            unserved.push_back(std::move(entry));
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
    return {{"httpd_user", ap_unixd_config.user_name != nullptr ? ap_unixd_config.user_name : ""},
            {"applications", std::move(found.applications)},
            {"unserved", std::move(found.unserved)}};
}

}  // namespace Passenger::Inventory
