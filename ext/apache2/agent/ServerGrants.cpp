#include "apache2/agent/ServerGrants.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apache2/config/Settings.h"

namespace Passenger {

namespace {

/** A set, since two virtual hosts often grant the same (ports 80 and 443). */
using Lines = std::set<std::string>;

/** What the places of one virtual host grant, in the order of the configuration. */
class Places {
public:
    Lines &at(const Settings *place) {
        const auto [known, isNew] = indices_.try_emplace(place, lines_.size());
        if (isNew) {
            lines_.emplace_back();
        }
        return lines_[known->second];
    }
    std::set<Lines> all() const {
        return {lines_.begin(), lines_.end()};
    }

private:
    std::map<const Settings *, std::size_t> indices_;
    std::vector<Lines> lines_;
};

void add(Lines &lines, const char *key, std::string_view value) {
    // A value with a line break could be another grant. No such value can be used.
    if (value.find('\n') == std::string_view::npos) {
        lines.insert(std::string(key) + " " + std::string(value));
    }
}

/** Whether values of this key are in the names of applications. */
bool isPartOfName(std::string_view key) {
    return key == "user" || key == "group" || key == "environment";
}

std::map<const server_rec *, Places> placesOf(const Settings &settings) {
    std::map<const server_rec *, Places> result;
    if (settings.grants != nullptr) {
        const auto *grants = reinterpret_cast<const Settings::Grant *>(settings.grants->elts);
        for (const Settings::Grant &grant : std::span(grants, static_cast<std::size_t>(settings.grants->nelts))) {
            if (std::string_view(grant.key) != "fixed" || isPartOfName(grant.value)) {
                add(result[grant.server].at(grant.place), grant.key, grant.value);
            }
        }
    }
    return result;
}

/** mod_env has no interface for other modules, so its directives are looked for in httpd's tree of
 *  the configuration. */
void addVariables(Lines &lines, apr_pool_t *pool, const ap_directive_t *directive) {
    for (; directive != nullptr; directive = directive->next) {
        const char *arguments = directive->args;
        if (strcasecmp(directive->directive, "SetEnv") == 0) {
            const char *name = ap_getword_conf(pool, &arguments);
            add(lines, "variable", std::string(name) + "=" + ap_getword_conf(pool, &arguments));
        } else if (strcasecmp(directive->directive, "PassEnv") == 0) {
            while (*arguments != '\0') {
                const char *name = ap_getword_conf(pool, &arguments);
                const char *value = std::getenv(name);
                add(lines, "variable", std::string(name) + "=" + (value != nullptr ? value : ""));
            }
        }
        addVariables(lines, pool, directive->first_child);
    }
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

/** `any folder` and `any name` of class Grants, by httpd's tree of the configuration: whether a
 *  request's document root depends on the request, and whether a .htaccess file may have our
 *  directives. */
void addUnknown(Lines &lines, const ap_directive_t *directive) {
    for (; directive != nullptr; directive = directive->next) {
        const char *name = directive->directive;
        if (strcasecmp(name, "VirtualDocumentRoot") == 0 || strcasecmp(name, "VirtualDocumentRootIP") == 0) {
            add(lines, "any", "folder");
        } else if (strcasecmp(name, "AllowOverrideList") == 0 && strcasecmp(directive->args, "None") != 0) {
            add(lines, "any", "name");
        }
        addUnknown(lines, directive->first_child);
    }
}

/** Whether the agent has to know the folders of these grants. */
bool bindsFolders(const Places &places) {
    const std::set<Lines> all = places.all();
    return std::any_of(all.begin(), all.end(), [](const Lines &lines) {
        return std::any_of(lines.begin(), lines.end(), [](const std::string &line) {
            return line.starts_with("user ") || line.starts_with("group ") || line.starts_with("start_command ") ||
                   line.starts_with("limited ");
        });
    });
}

void append(std::string &text, const Lines &lines) {
    for (const std::string &line : lines) {
        text += line + "\n";
    }
}

void append(std::string &text, const std::set<Lines> &places, const Lines &roots) {
    const char *begin = "server\n";
    for (const Lines &lines : places) {
        text += std::exchange(begin, "section\n");
        append(text, lines);
    }
    text += places.empty() ? begin : "";
    append(text, roots);
}

}  // namespace

std::string serverGrants(const server_rec *main) {
    const Settings &settings = Settings::of(main);
    auto places = placesOf(settings);
    Lines &ofNoPlace = places[main].at(nullptr);
    apr_pool_t *pool = nullptr;
    apr_pool_create(&pool, main->process->pool);
    add(ofNoPlace, "ruby", settings.defaultRubyOrDefault());
    addVariables(ofNoPlace, pool, ap_conftree);
    apr_pool_destroy(pool);
    addUnknown(ofNoPlace, ap_conftree);
    if (modulesMapFolders()) {
        add(ofNoPlace, "any", "folder");
    }

    // Also those of virtual hosts without grants: two may have one folder, and only one a limit.
    const bool folders =
        !ofNoPlace.contains("any folder") ||
        std::any_of(places.begin(), places.end(), [](const auto &server) { return bindsFolders(server.second); });
    // Virtual hosts with the same places are one, with the document roots of all.
    std::map<std::set<Lines>, Lines> hosts;
    Lines mainRoots;
    for (const server_rec *server = main; server != nullptr; server = server->next) {
        const auto *core = static_cast<const core_server_config *>(ap_get_core_module_config(server->module_config));
        Lines &roots = server == main ? mainRoots : hosts[places[server].all()];
        if (core->ap_document_root != nullptr && folders) {
            add(roots, "document_root", core->ap_document_root);
        }
    }
    std::string text;
    append(text, places[main].all(), mainRoots);
    for (const auto &[all, roots] : hosts) {
        if (!all.empty() || !roots.empty()) {
            append(text, all, roots);
        }
    }
    return text;
}

}  // namespace Passenger
