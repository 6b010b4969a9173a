#pragma once

// httpd's and APR's headers, and the module's own symbol: ap_log_rerror and the per-module
// configuration use that symbol.

// httpd defines this macro only for C compilers, but C++20 has designated initializers, too. With
// the macro, command_rec's functions are typed.
#define AP_HAVE_DESIGNATED_INITIALIZER 1

extern "C" {
#include <httpd.h>

#include <apr_strings.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <http_main.h>
#include <http_protocol.h>
#include <http_request.h>

APLOG_USE_MODULE(passenger);
}
