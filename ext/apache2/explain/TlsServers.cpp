#include "apache2/explain/TlsServers.h"

#include <strings.h>

#include <string_view>

extern "C" {
#include <util_cfgtree.h>
}

namespace Passenger::TlsServers {

namespace {

enum class Engine { NOT_GIVEN, ON, OFF };

/** @param first a line of the server, not of its sections */
Engine engineAmong(const ap_directive_t *first) noexcept {
    Engine engine = Engine::NOT_GIVEN;
    for (const ap_directive_t *line = first; line != nullptr; line = line->next) {
        if (strcasecmp(line->directive, "SSLEngine") == 0) {
            const char *value = line->args[0] == '"' ? line->args + 1 : line->args;
            engine = strncasecmp(value, "on", 2) == 0 ? Engine::ON : Engine::OFF;
        }
    }
    return engine;
}

Engine engineOf(const server_rec *server) noexcept {
    for (const ap_directive_t *line = ap_conftree; line != nullptr; line = line->next) {
        if (line->filename != nullptr && server->defn_name != nullptr &&
            static_cast<unsigned>(line->line_num) == server->defn_line_number &&
            std::string_view(line->filename) == server->defn_name && strcasecmp(line->directive, "<VirtualHost") == 0) {
            return engineAmong(line->first_child);
        }
    }
    return Engine::NOT_GIVEN;
}

apr_port_t portOf(const server_rec *server) noexcept {
    return server->addrs != nullptr && server->addrs->host_port != 0 ? server->addrs->host_port : server->port;
}

}  // namespace

bool has(const server_rec *server) noexcept {
    Engine engine = server->is_virtual != 0 ? engineOf(server) : Engine::NOT_GIVEN;
    if (engine == Engine::NOT_GIVEN) {
        engine = engineAmong(ap_conftree);
    }
    const bool isDefault = engine == Engine::NOT_GIVEN && portOf(server) == DEFAULT_HTTPS_PORT &&
                           ap_find_linked_module("mod_ssl.c") != nullptr;
    return engine == Engine::ON || isDefault;
}

}  // namespace Passenger::TlsServers
