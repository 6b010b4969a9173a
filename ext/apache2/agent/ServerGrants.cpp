#include "apache2/agent/ServerGrants.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apache2/config/Settings.h"

namespace Passenger {

namespace {

using Grant = Settings::Grant;

/** A text with a line break could be another grant. No such value can be used. */
bool isUsable(const char *text) {
    return std::strchr(text, '\n') == nullptr;
}

/** Modules that take part in finding a request's file, and leave the document root as it is.
 *  mod_vhost_alias needs a directive for another one. mod_lua is none: its scripts may set it. */
constexpr std::array KEEP_FOLDERS = std::to_array<std::string_view>({
    // clang-format off
    "core.c", "event.c", "http_core.c", "mod_alias.c", "mod_auth_digest.c", "mod_file_cache.c", "mod_headers.c",
    "mod_http2.c", "mod_log_debug.c", "mod_log_forensic.c", "mod_md.c", "mod_passenger.c", "mod_proxy.c",
    "mod_proxy_express.c", "mod_remoteip.c", "mod_reqtimeout.c", "mod_rewrite.c", "mod_setenvif.c", "mod_ssl.c",
    "mod_unique_id.c", "mod_userdir.c", "mod_vhost_alias.c", "mod_wsgi.c",
    // clang-format on
});

template <typename Hook> bool keepFolders(const apr_array_header_t *hooks) {
    const auto *first = hooks != nullptr ? reinterpret_cast<const Hook *>(hooks->elts) : nullptr;
    return first == nullptr || std::all_of(first, first + hooks->nelts, [](const Hook &hook) {
               return hook.szName != nullptr &&
                      std::find(KEEP_FOLDERS.begin(), KEEP_FOLDERS.end(), hook.szName) != KEEP_FOLDERS.end();
           });
}

/** Whether a module may give requests other document roots than the configuration. */
bool modulesMapFolders() {
    return !keepFolders<ap_LINK_post_read_request_t>(ap_hook_get_post_read_request()) ||
           !keepFolders<ap_LINK_translate_name_t>(ap_hook_get_translate_name()) ||
           !keepFolders<ap_LINK_map_to_storage_t>(ap_hook_get_map_to_storage());
}

constexpr const char *ANY_FOLDER = "any folder";

/** Whatever the case of letters. Most names already differ in the first letter. */
bool isCalled(const char *directive, const char *name) {
    return (*directive | ' ') == (*name | ' ') && strcasecmp(directive, name) == 0;
}

/**
 * Reads httpd's tree of the configuration. It tells variables, since mod_env has no interface for
 * other modules. Two keys of class Grants come from it, too. `any folder`: a request's document
 * root depends on the request. `any name`: a .htaccess file may have our directives.
 * @param add takes a line
 */
template <typename Add> void readTree(const ap_directive_t *directive, apr_pool_t *pool, Add add) {
    for (; directive != nullptr; directive = directive->next) {
        const char *name = directive->directive;
        const char *arguments = directive->args;
        if (isCalled(name, "SetEnv")) {
            const char *variable = ap_getword_conf(pool, &arguments);
            add(apr_pstrcat(pool, "variable ", variable, "=", ap_getword_conf(pool, &arguments), nullptr));
        } else if (isCalled(name, "PassEnv")) {
            while (*arguments != '\0') {
                const char *variable = ap_getword_conf(pool, &arguments);
                const char *value = std::getenv(variable);
                add(apr_pstrcat(pool, "variable ", variable, "=", value != nullptr ? value : "", nullptr));
            }
        } else if (isCalled(name, "VirtualDocumentRoot") || isCalled(name, "VirtualDocumentRootIP")) {
            add(ANY_FOLDER);
        } else if (isCalled(name, "AllowOverrideList") && strcasecmp(arguments, "None") != 0) {
            add("any name");
        }
        readTree(directive->first_child, pool, add);
    }
}

/** Whether the agent has to know the folders of a place with this grant. */
bool bindsFolders(const Grant &grant) {
    const std::string_view key = grant.key;
    return key == "user" || key == "group" || key == "start_command" ||
           (grant.mark != nullptr && std::string_view(grant.mark) == "limited");
}

/** Grants of one place that follow each other. Places are many, so these are sorted instead of the
 *  grants. */
struct Run {
    const server_rec *server;
    const Settings *place;
    std::span<const Grant> grants;
};

/** @return those of one place follow each other, in the order of the configuration */
std::vector<Run> makeRuns(std::span<const Grant> grants) {
    std::vector<Run> runs;
    for (auto first = grants.begin(); first != grants.end();) {
        const auto last = std::find_if(first, grants.end(), [&](const Grant &grant) {
            return grant.server != first->server || grant.place != first->place;
        });
        runs.push_back({first->server, first->place, {first, last}});
        first = last;
    }
    std::stable_sort(runs.begin(), runs.end(), [](const Run &one, const Run &other) {
        return one.server != other.server ? std::less<>()(one.server, other.server)
                                          : std::less<>()(one.place, other.place);
    });
    return runs;
}

void addLine(std::string &lines, const char *key, const char *value) {
    lines.append(key).append(" ").append(value).append("\n");
}

void addLines(std::string &lines, std::span<const Grant> grants) {
    for (const Grant &grant : grants) {
        if (isUsable(grant.value)) {
            addLine(lines, grant.key, grant.value);
        }
        if (grant.mark != nullptr) {
            addLine(lines, grant.mark, grant.key);
        }
    }
}

/** The places of a virtual host, each once: two often grant the same. @param places some of
 *  them */
std::string placesOf(const server_rec *server, const std::vector<Run> &runs, std::vector<std::string> places = {}) {
    auto run = std::lower_bound(runs.begin(), runs.end(), server, [](const Run &one, const server_rec *wanted) {
        return std::less<>()(one.server, wanted);
    });
    while (run != runs.end() && run->server == server) {
        const Settings *place = run->place;
        std::string &lines = places.emplace_back();
        lines.reserve(256);
        for (; run != runs.end() && run->server == server && run->place == place; ++run) {
            addLines(lines, run->grants);
        }
    }
    std::erase(places, "");
    std::sort(places.begin(), places.end());
    places.erase(std::unique(places.begin(), places.end()), places.end());
    std::string text = "server\n";
    for (const std::string &place : places) {
        text.append(&place == &places.front() ? "" : "section\n").append(place);
    }
    return text;
}

/** The places of virtual hosts, and the document root of each; the first is the main server. */
using Hosts = std::vector<std::pair<std::string_view, std::string_view>>;

/** Virtual hosts with the same places are one, with the document roots of all. */
std::string textOf(Hosts hosts) {
    std::sort(hosts.begin() + 1, hosts.end());
    std::string text;
    text.reserve(std::accumulate(hosts.begin(), hosts.end(), std::size_t{0}, [](std::size_t sum, const auto &host) {
        return sum + host.first.size() + host.second.size() + std::strlen("document_root \n");
    }));
    const std::pair<std::string_view, std::string_view> *last = nullptr;
    for (const auto &host : hosts) {
        // The main server may have the places of a virtual host.
        const bool isNew = last == nullptr || last == &hosts.front() || host.first != last->first;
        text += isNew ? host.first : "";
        if (!host.second.empty() && (isNew || host.second != last->second)) {
            text.append("document_root ").append(host.second).append("\n");
        }
        last = &host;
    }
    return text;
}

}  // namespace

std::string serverGrants(const server_rec *main) {
    const Settings &settings = Settings::of(main);
    apr_pool_t *pool = nullptr;
    apr_pool_create(&pool, main->process->pool);
    const std::span<const Grant> noted = settings.allGrants();
    std::vector<std::string_view> others;
    const auto add = [&](const char *line) {
        if (isUsable(line)) {
            others.emplace_back(line);
        }
    };
    add(apr_pstrcat(pool, "ruby ", settings.defaultRuby.value(), nullptr));
    readTree(ap_conftree, pool, add);
    if (modulesMapFolders()) {
        add(ANY_FOLDER);
    }
    // Also those of virtual hosts without grants: two may have one folder, and only one a limit.
    const bool folders = std::any_of(noted.begin(), noted.end(), bindsFolders) ||
                         std::find(others.begin(), others.end(), ANY_FOLDER) == others.end();
    std::sort(others.begin(), others.end());
    others.erase(std::unique(others.begin(), others.end()), others.end());
    std::string lines;
    for (const std::string_view line : others) {
        lines.append(line).append("\n");
    }
    const std::vector<Run> runs = makeRuns(noted);

    Hosts hosts;
    for (const server_rec *server = main; server != nullptr; server = server->next) {
        const auto *core = static_cast<const core_server_config *>(ap_get_core_module_config(server->module_config));
        const char *root = core->ap_document_root;
        const bool isTold = folders && root != nullptr && isUsable(root);
        const std::string places = server == main ? placesOf(server, runs, {lines}) : placesOf(server, runs);
        hosts.emplace_back(std::string_view(apr_pstrdup(pool, places.c_str()), places.size()), isTold ? root : "");
    }
    const std::string text = textOf(std::move(hosts));
    apr_pool_destroy(pool);
    return text;
}

}  // namespace Passenger
