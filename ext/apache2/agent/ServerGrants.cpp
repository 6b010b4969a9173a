#include "apache2/agent/ServerGrants.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <string_view>

#include "apache2/config/Settings.h"

namespace Passenger {

namespace {

/** A set, since two virtual hosts often grant the same (ports 80 and 443). */
using Lines = std::set<std::string>;

void add(Lines &lines, const char *key, std::string_view value) {
    // A value with a line break could be another grant. No such value can be used.
    if (value.find('\n') == std::string_view::npos) {
        lines.insert(std::string(key) + " " + std::string(value));
    }
}

std::map<const server_rec *, Lines> directivesOf(const Settings &settings) {
    std::map<const server_rec *, Lines> result;
    if (settings.grants != nullptr) {
        const auto *grants = reinterpret_cast<const Settings::Grant *>(settings.grants->elts);
        for (int index = 0; index < settings.grants->nelts; ++index) {
            add(result[grants[index].server], grants[index].key, grants[index].value);
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

/** Whether the agent has to know the folders of these grants. */
bool bindsFolders(const Lines &lines) {
    return std::any_of(lines.begin(), lines.end(), [](const std::string &line) {
        return line.starts_with("user ") || line.starts_with("group ") || line.starts_with("start_command ") ||
               line.starts_with("limited ");
    });
}

std::string textOf(const Lines &lines) {
    std::string text = "server\n";
    for (const std::string &line : lines) {
        text += line + "\n";
    }
    return text;
}

}  // namespace

std::string serverGrants(const server_rec *main) {
    const Settings &settings = Settings::of(main);
    auto directives = directivesOf(settings);
    apr_pool_t *pool = nullptr;
    apr_pool_create(&pool, main->process->pool);
    add(directives[main], "ruby", settings.defaultRubyOrDefault());
    addVariables(directives[main], pool, ap_conftree);
    apr_pool_destroy(pool);

    // Also those of virtual hosts without grants: two may have one folder, and only one a limit.
    const bool folders = std::any_of(directives.begin(), directives.end(),
                                     [](const auto &server) { return bindsFolders(server.second); });
    std::string text;
    std::set<Lines> known;
    for (const server_rec *server = main; server != nullptr; server = server->next) {
        Lines lines = directives[server];
        const auto *core = static_cast<const core_server_config *>(ap_get_core_module_config(server->module_config));
        if (core->ap_document_root != nullptr && folders) {
            add(lines, "document_root", core->ap_document_root);
        }
        if (server != main && (lines.empty() || !known.insert(lines).second)) {
            continue;
        }
        text += textOf(lines);
    }
    return text;
}

}  // namespace Passenger
