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

/** @param first a line of the server, not of its sections
 *  @return its last line with the directive; null: none */
const ap_directive_t *lastAmong(const ap_directive_t *first, const char *directive) noexcept {
    const ap_directive_t *last = nullptr;
    for (const ap_directive_t *line = first; line != nullptr; line = line->next) {
        last = strcasecmp(line->directive, directive) == 0 ? line : last;
    }
    return last;
}

/** The first line of a virtual host. */
const ap_directive_t *linesOf(const server_rec *server) noexcept {
    for (const ap_directive_t *line = ap_conftree; line != nullptr; line = line->next) {
        if (line->filename != nullptr && server->defn_name != nullptr &&
            static_cast<unsigned>(line->line_num) == server->defn_line_number &&
            std::string_view(line->filename) == server->defn_name && strcasecmp(line->directive, "<VirtualHost") == 0) {
            return line->first_child;
        }
    }
    return nullptr;
}

/** The line that counts for the server, which may be the main server's. */
const ap_directive_t *lineFor(const server_rec *server, const char *directive) noexcept {
    const ap_directive_t *own = server->is_virtual != 0 ? lastAmong(linesOf(server), directive) : nullptr;
    return own != nullptr ? own : lastAmong(ap_conftree, directive);
}

/** As httpd does only when it opens its sockets (ap_setup_listeners). */
bool listensForHttps(const server_rec *server) noexcept {
    for (const server_addr_rec *address = server->addrs; address != nullptr; address = address->next) {
        for (const ap_listen_rec *listener = ap_listeners; listener != nullptr; listener = listener->next) {
            if (listener->bind_addr->port == address->host_port &&
                apr_sockaddr_equal(listener->bind_addr, address->host_addr) != 0) {
                return std::string_view(listener->protocol) == HTTPS;
            }
        }
    }
    return false;
}

bool hasHttps(const server_rec *server) noexcept {
    const char *given = ap_get_server_protocol(const_cast<server_rec *>(server));
    return given != nullptr ? given == HTTPS : listensForHttps(server);
}

}  // namespace

bool has(const server_rec *server) noexcept {
    if (const ap_directive_t *engine = lineFor(server, "SSLEngine")) {
        const char *value = engine->args[0] == '"' ? engine->args + 1 : engine->args;
        return strncasecmp(value, "on", 2) == 0;
    }
    return ap_find_linked_module("mod_ssl.c") != nullptr && lineFor(server, "SSLCertificateFile") != nullptr &&
           hasHttps(server);
}

}  // namespace Passenger::TlsServers
