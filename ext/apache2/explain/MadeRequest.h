#pragma once

#include <string>

#include "apache2/httpd/Httpd.h"

namespace Passenger {

/**
 * A GET request for a URL that no client has sent, as httpd's hooks see one: with its virtual host,
 * its settings and its file. No access is checked, no handler runs, and nothing is sent. For an
 * httpd that checks its configuration.
 */
struct MadeRequest {
    request_rec *r = nullptr;
    /** The answer of the hooks that httpd would send; OK: a handler would answer. */
    int outcome = OK;
    /** Not empty: the request cannot be made, for this reason. */
    std::string problem;

    /** Whether the connection of a made request stands for one with TLS. mod_ssl does not know
     *  such a connection. */
    static bool isOverTls(const conn_rec *connection) noexcept;
    /** Follows what mod_rewrite does in a folder. @param url `http://HOST[:PORT]/PATH`, or https */
    static MadeRequest of(apr_pool_t *pool, server_rec *main, const char *url);
    /** For a path of this virtual host. Always has a request. */
    static MadeRequest at(apr_pool_t *pool, server_rec *server, const char *path);

private:
    void follow(conn_rec *connection, const char *host, const char *target, server_rec *server);
};

}  // namespace Passenger
