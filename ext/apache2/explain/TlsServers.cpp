#include "apache2/explain/TlsServers.h"

#include <strings.h>

#include <string_view>

extern "C" {
#include <ap_listen.h>
#include <util_cfgtree.h>
}

namespace Passenger::TlsServers {

namespace {

constexpr std::string_view HTTPS = "https";

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

/** httpd gives a server the protocol of its Listen only when it opens its sockets. */
bool listensForHttps(const server_rec *server) noexcept {
    const ap_listen_rec *found = nullptr;
    for (const server_addr_rec *address = server->addrs; address != nullptr; address = address->next) {
        for (const ap_listen_rec *listener = ap_listeners; listener != nullptr; listener = listener->next) {
            if (listener->bind_addr->port == address->host_port &&
                (found == nullptr || apr_sockaddr_equal(listener->bind_addr, address->host_addr) != 0)) {
                found = listener;
            }
        }
    }
    return found != nullptr && std::string_view(found->protocol) == HTTPS;
}

/** For a server without an SSLEngine. */
bool hasHttps(const server_rec *server) noexcept {
    const char *given = ap_get_server_protocol(const_cast<server_rec *>(server));
    return given != nullptr ? given == HTTPS : listensForHttps(server);
}

}  // namespace

bool has(const server_rec *server) noexcept {
    Engine engine = server->is_virtual != 0 ? engineOf(server) : Engine::NOT_GIVEN;
    if (engine == Engine::NOT_GIVEN) {
        engine = engineAmong(ap_conftree);
    }
    return engine == Engine::ON ||
           (engine == Engine::NOT_GIVEN && ap_find_linked_module("mod_ssl.c") != nullptr && hasHttps(server));
}

}  // namespace Passenger::TlsServers
