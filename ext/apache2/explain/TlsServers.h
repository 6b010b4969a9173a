#pragma once

#include "apache2/httpd/Httpd.h"

namespace Passenger::TlsServers {

/**
 * Whether clients speak TLS with this server: `SSLEngine on`; or without an SSLEngine, a
 * certificate and the protocol https, of Protocol or of the server's Listen (`Listen 8443 https`;
 * 443 without a protocol). For an httpd that checks its configuration, in which mod_ssl has not
 * decided this. TLS of another module than mod_ssl is not found.
 */
bool has(const server_rec *server) noexcept;

}  // namespace Passenger::TlsServers
