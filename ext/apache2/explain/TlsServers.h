#pragma once

#include "apache2/httpd/Httpd.h"

namespace Passenger::TlsServers {

/**
 * Whether clients speak TLS with this server: `SSLEngine on`, or port 443 without an SSLEngine. For
 * an httpd that checks its configuration, in which mod_ssl has not decided this. TLS of another
 * module than mod_ssl is not found, nor that of a protocol in Listen.
 */
bool has(const server_rec *server) noexcept;

}  // namespace Passenger::TlsServers
