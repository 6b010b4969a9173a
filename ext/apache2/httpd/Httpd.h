#pragma once

// httpd's and APR's headers, and what every file of the module needs of them: the module's own symbol, which ap_log_rerror
// and the per-module configuration are looked up by.

// httpd finds this only in C compilers; C++20 has it too. It makes command_rec's functions typed.
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
