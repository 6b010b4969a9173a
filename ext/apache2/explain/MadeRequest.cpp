#include "apache2/explain/MadeRequest.h"

#include <cstring>
#include <string_view>

#include "apache2/explain/TlsServers.h"
#include "apache2/httpd/PoolText.h"

extern "C" {
#include <apr_uri.h>
#include <http_connection.h>
#include <http_vhost.h>
}

namespace Passenger {

namespace {

/** httpd's default of LimitInternalRecursion. */
constexpr int MOST_REDIRECTS = 10;
constexpr std::string_view REDIRECT = "redirect:";
/** No <VirtualHost> with an address of its own has it, so those with `*` remain. */
constexpr const char *ANY_ADDRESS = "0.0.0.0";
/** A note of a connection. */
constexpr const char *TLS = "mod_passenger_made_tls";

bool isNamed(server_rec *server, const char *host) {
    const auto has = [host](const apr_array_header_t *names, bool patterns) {
        for (int i = 0; names != nullptr && i < names->nelts; ++i) {
            const char *name = APR_ARRAY_IDX(names, i, const char *);
            if (name != nullptr && (patterns ? ap_strcasecmp_match(host, name) == 0 : strcasecmp(host, name) == 0)) {
                return true;
            }
        }
        return false;
    };
    return (server->server_hostname != nullptr && strcasecmp(server->server_hostname, host) == 0) ||
           has(server->names, false) || has(server->wild_names, true);
}

/** The address to which a client connects, as httpd compares it with `<VirtualHost>`. */
const char *addressOf(apr_pool_t *pool, const server_addr_rec &place) {
    char *address = nullptr;
    const bool known = apr_sockaddr_ip_get(&address, place.host_addr) == APR_SUCCESS;
    return known && std::string_view(address) != "255.255.255.255" ? apr_pstrdup(pool, address) : ANY_ADDRESS;
}

/** The address of this host to which a client connects for the URL. It is the address of the first
 *  virtual host with this name and port, or else of the first with this port. */
const char *localAddress(apr_pool_t *pool, const server_rec *main, const char *host, apr_port_t port) {
    const char *ofPort = nullptr;
    for (server_rec *server = main->next; server != nullptr; server = server->next) {
        for (const server_addr_rec *place = server->addrs; place != nullptr; place = place->next) {
            if (place->host_port != 0 && place->host_port != port) {
                continue;
            }
            if (isNamed(server, host)) {
                return addressOf(pool, *place);
            }
            ofPort = ofPort == nullptr ? addressOf(pool, *place) : ofPort;
        }
    }
    return ofPort != nullptr ? ofPort : ANY_ADDRESS;
}

bool isAddress(apr_pool_t *pool, const char *host) {
    apr_ipsubnet_t *net = nullptr;
    return apr_ipsubnet_create(&net, host, nullptr, pool) == APR_SUCCESS;
}

/** Null: `address` is none. */
conn_rec *makeConnection(apr_pool_t *pool, server_rec *main, const char *address, apr_port_t port, bool tls) {
    auto *connection = static_cast<conn_rec *>(apr_pcalloc(pool, sizeof(conn_rec)));
    connection->pool = pool;
    connection->base_server = main;
    connection->bucket_alloc = apr_bucket_alloc_create(pool);
    connection->conn_config = ap_create_conn_config(pool);
    connection->notes = apr_table_make(pool, 1);
    connection->keepalive = AP_CONN_CLOSE;
    if (tls) {
        apr_table_setn(connection->notes, TLS, "");
    }
    if (apr_sockaddr_info_get(&connection->local_addr, address, APR_UNSPEC, port, 0, pool) != APR_SUCCESS ||
        apr_sockaddr_info_get(&connection->client_addr, "127.0.0.1", APR_UNSPEC, 0, 0, pool) != APR_SUCCESS) {
        return nullptr;
    }
    apr_sockaddr_ip_get(&connection->local_ip, connection->local_addr);
    apr_sockaddr_ip_get(&connection->client_ip, connection->client_addr);
    ap_update_vhost_given_ip(connection);
    return connection;
}

request_rec *makeRequest(conn_rec *connection, const char *host, const char *target) {
    request_rec *r = ap_create_request(connection);
    r->method = "GET";
    r->method_number = M_GET;
    r->protocol = const_cast<char *>("HTTP/1.1");
    r->proto_num = HTTP_VERSION(1, 1);
    r->the_request = apr_pstrcat(r->pool, "GET ", target, " HTTP/1.1", nullptr);
    r->request_time = apr_time_now();
    r->status = HTTP_OK;
    r->useragent_ip = connection->client_ip;
    apr_table_setn(r->headers_in, "Host", host);
    ap_parse_uri(r, target);
    return r;
}

/** The path as the hooks see it: without escapes, dots and double slashes. */
int cleanPath(request_rec *r) {
    char *path = r->parsed_uri.path;
    if (path == nullptr || *path != '/' ||
        ap_normalize_path(
            path, AP_NORMALIZE_NOT_ABOVE_ROOT | AP_NORMALIZE_DECODE_UNRESERVED | AP_NORMALIZE_MERGE_SLASHES) == 0) {
        return HTTP_BAD_REQUEST;
    }
    const auto *core = static_cast<const core_dir_config *>(ap_get_core_module_config(r->server->lookup_defaults));
    const int outcome = core->allow_encoded_slashes != 0 ? ap_unescape_url_keep2f(path, core->decode_encoded_slashes)
                                                         : ap_unescape_url(path);
    r->uri = path;
    return outcome;
}

/** The sections of the URL, with <If>. */
int walkLocations(request_rec *r) {
    const int outcome = ap_location_walk(r);
    return outcome == OK ? ap_if_walk(r) : outcome;
}

/** The phases of ap_process_request_internal() that do not ask who the client is. */
int runPhases(request_rec *r) {
    int outcome = r->status == HTTP_OK ? OK : r->status;
    const auto next = [&outcome](int result) {
        outcome = result == DECLINED ? OK : result;
        return outcome == OK;
    };
    const bool passed = outcome == OK && next(cleanPath(r)) && next(walkLocations(r)) && next(ap_run_translate_name(r));
    if (!passed) {
        return outcome;
    }
    r->per_dir_config = r->server->lookup_defaults;
    if (next(ap_run_map_to_storage(r)) && next(walkLocations(r)) && next(ap_run_header_parser(r)) &&
        next(ap_run_type_checker(r))) {
        next(ap_run_fixups(r));
    }
    return outcome;
}

/** Where mod_rewrite sends the request within httpd; null: nowhere. */
const char *redirectOf(const request_rec *r) {
    const bool redirects =
        r->handler != nullptr && std::strcmp(r->handler, "redirect-handler") == 0 && r->filename != nullptr;
    return redirects && std::string_view(r->filename).starts_with(REDIRECT) ? r->filename + REDIRECT.size() : nullptr;
}

}  // namespace

bool MadeRequest::isOverTls(const conn_rec *connection) noexcept {
    return apr_table_get(connection->notes, TLS) != nullptr;
}

MadeRequest MadeRequest::of(apr_pool_t *pool, server_rec *main, const char *url) {
    MadeRequest made;
    apr_uri_t uri{};
    if (apr_uri_parse(pool, url, &uri) != APR_SUCCESS || uri.scheme == nullptr || uri.hostname == nullptr ||
        (strcasecmp(uri.scheme, "http") != 0 && strcasecmp(uri.scheme, "https") != 0)) {
        made.problem = "this is not a URL with http:// or https://, a host and a path";
        return made;
    }
    const apr_port_t port = uri.port_str != nullptr ? uri.port : apr_uri_port_of_scheme(uri.scheme);
    const char *address = isAddress(pool, uri.hostname) ? uri.hostname : localAddress(pool, main, uri.hostname, port);
    conn_rec *connection = makeConnection(pool, main, address, port, strcasecmp(uri.scheme, "https") == 0);
    if (connection == nullptr) {
        made.problem = "the host of the URL has no address";
        return made;
    }
    const char *target = apr_pstrcat(pool, uri.path != nullptr ? uri.path : "/", uri.query != nullptr ? "?" : "",
                                     uri.query != nullptr ? uri.query : "", nullptr);
    made.follow(connection, uri.hostinfo, target, nullptr);
    return made;
}

MadeRequest MadeRequest::at(apr_pool_t *pool, server_rec *server, const char *path) {
    MadeRequest made;
    const apr_port_t ofAddress = server->addrs != nullptr ? server->addrs->host_port : 0;
    const apr_port_t named = server->port != 0 ? server->port : ofAddress;
    const apr_port_t port = named != 0 ? named : DEFAULT_HTTP_PORT;
    conn_rec *connection = makeConnection(pool, server, ANY_ADDRESS, port, TlsServers::has(server));
    made.follow(connection, orEmpty(server->server_hostname), path, server);
    return made;
}

/** @param server null: the one that the host's name decides */
void MadeRequest::follow(conn_rec *connection, const char *host, const char *target, server_rec *server) {
    for (int redirects = 0; target != nullptr && redirects <= MOST_REDIRECTS; ++redirects) {
        r = makeRequest(connection, host, target);
        if (server != nullptr) {
            r->server = server;
        } else {
            ap_update_vhost_from_headers(r);
        }
        r->per_dir_config = r->server->lookup_defaults;
        outcome = runPhases(r);
        target = outcome == OK ? redirectOf(r) : nullptr;
    }
}

}  // namespace Passenger
