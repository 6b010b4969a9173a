#include "apache2/request/RequestEnvironment.h"

#include <strings.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <initializer_list>
#include <span>

#include "apache2/config/Settings.h"
#include "apache2/httpd/PoolText.h"
#include "apache2/request/CgiEnvironment.h"
#include "apache2/request/RequestNotes.h"
#include "apache2/request/RequestUri.h"
#include "apache2/request/VerifiedUser.h"

namespace Passenger::RequestEnvironment {

namespace {

constexpr const char *REQUEST_START = "X-Request-Start";

std::span<const apr_table_entry_t> entries(const apr_table_t *table) {
    const apr_array_header_t *array = apr_table_elts(table);
    return {reinterpret_cast<const apr_table_entry_t *>(array->elts), static_cast<std::size_t>(array->nelts)};
}

void addPort(CgiEnvironment &environment, const char *name, unsigned port) {
    char digits[16];
    char *end = std::to_chars(digits, digits + sizeof(digits), port).ptr;
    environment.add(name, std::string_view(digits, static_cast<std::size_t>(end - digits)));
}

bool sameName(const apr_table_entry_t &a, const apr_table_entry_t &b) {
    return a.key_checksum == b.key_checksum && strcasecmp(a.key, b.key) == 0;
}

/** @return whether the header asks for a form of the whole answer. A request for a part of a page,
 *  or for an ErrorDocument, has the headers of the page's request. But only all of the part fits
 *  there, unencoded, and the client has no copy of it. */
bool isOfWholeAnswer(const char *header) {
    constexpr std::array NAMES{"Accept-Encoding",     "If-Match", "If-Modified-Since", "If-None-Match", "If-Range",
                               "If-Unmodified-Since", "Range"};
    return std::ranges::any_of(NAMES, [header](const char *name) { return strcasecmp(header, name) == 0; });
}

/** httpd has already joined most headers of one name, but a module may have added another one.
 *  @param skipped headers that the application does not get */
void addHeaders(CgiEnvironment &environment, const request_rec *r, std::initializer_list<const char *> skipped) {
    std::span<const apr_table_entry_t> headers = entries(r->headers_in);
    const bool isWhole = r->main == nullptr && !ap_is_HTTP_ERROR(r->status);
    for (std::size_t i = 0; i < headers.size(); ++i) {
        const apr_table_entry_t &header = headers[i];
        bool seen = !isWhole && isOfWholeAnswer(header.key);
        for (const char *name : skipped) {
            seen = seen || strcasecmp(header.key, name) == 0;
        }
        for (std::size_t earlier = 0; earlier < i && !seen; ++earlier) {
            seen = sameName(headers[earlier], header);
        }
        if (seen) {
            continue;
        }
        environment.addHeader(header.key, header.val);
        for (std::size_t later = i + 1; later < headers.size(); ++later) {
            if (sameName(headers[later], header)) {
                environment.appendToHeader(header.key, headers[later].val);
            }
        }
    }
}

/** The treatment of `%2F` by httpd's AllowEncodedSlashes and by PassengerAllowEncodedSlashes. */
RequestUri::EncodedSlash encodedSlash(const request_rec *r) {
    // httpd uses these settings, before it looks at any section.
    const auto *core = static_cast<const core_dir_config *>(ap_get_core_module_config(r->server->lookup_defaults));
    if (core->allow_encoded_slashes != 0 && core->decode_encoded_slashes == 0) {
        return RequestUri::EncodedSlash::KEPT;
    }
    return Settings::of(r).allowEncodedSlashes ? RequestUri::EncodedSlash::PASSED_ON : RequestUri::EncodedSlash::SLASH;
}

void addTarget(CgiEnvironment &environment, const request_rec *r, const Route &route, std::string &path) {
    // An application that speaks HTTP gets the whole REQUEST_URI, and PASSENGER_BASE_URI
    // separately.
    RequestUri::escape(path, route.baseUri);
    environment.add("SCRIPT_NAME", path);
    RequestUri::escapePath(path, r->unparsed_uri, r->uri, encodedSlash(r));
    const std::string_view below = RequestUri::after(path, route.baseUri);
    environment.add("PATH_INFO", below.empty() ? "/" : below);
    environment.add("QUERY_STRING", orEmpty(r->args));
    if (r->args != nullptr) {
        path += '?';
        path += r->args;
    }
    environment.add("REQUEST_URI", path);
}

/** Adds the original URL of an internal redirect (ErrorDocument, mod_rewrite). */
void addOrigin(CgiEnvironment &environment, const request_rec *r, std::string &path) {
    if (r->prev == nullptr || apr_table_get(r->subprocess_env, "REDIRECT_URL") != nullptr) {
        return;
    }
    RequestUri::escape(path, r->prev->uri);
    environment.add("REDIRECT_URL", path);
    if (r->prev->args != nullptr && apr_table_get(r->subprocess_env, "REDIRECT_QUERY_STRING") == nullptr) {
        environment.add("REDIRECT_QUERY_STRING", r->prev->args);
    }
}

/**
 * The value of HTTPS; nullptr: none. mod_ssl sets the scheme. Behind a proxy that ends TLS,
 * SetEnvIf sets HTTPS.
 */
const char *httpsOf(const request_rec *r, const char *scheme) {
    if (std::strcmp(scheme, "https") == 0) {
        return "on";
    }
    const char *value = apr_table_get(r->subprocess_env, "HTTPS");
    // Applications' processes know "on" alone.
    constexpr std::array VALUES{"on", "yes", "true", "1"};
    const auto isValue = [value](const char *known) { return strcasecmp(value, known) == 0; };
    return value != nullptr && std::ranges::any_of(VALUES, isValue) ? "on" : value;
}

void addConnection(CgiEnvironment &environment, request_rec *r) {
    // An IPv6 address has brackets.
    environment.add("SERVER_NAME", orEmpty(ap_get_server_name_for_url(r)));
    addPort(environment, "SERVER_PORT", ap_get_server_port(r));
    environment.add("SERVER_ADDR", orEmpty(r->connection->local_ip));
    environment.add("REMOTE_ADDR", orEmpty(r->useragent_ip));
    addPort(environment, "REMOTE_PORT", r->useragent_addr != nullptr ? r->useragent_addr->port : 0);
    const char *scheme = ap_http_scheme(r);
    environment.add("REQUEST_SCHEME", scheme);
    if (const char *https = httpsOf(r, scheme); https != nullptr) {
        environment.add("HTTPS", https);
    }
}

void addUser(CgiEnvironment &environment, const request_rec *r) {
    const char *user = VerifiedUser::of(r);
    if (user == nullptr && r->user != nullptr) {
        return;
    }
    if (user != nullptr) {
        environment.add("REMOTE_USER", user);
    }
    if (r->ap_auth_type != nullptr) {
        environment.add("AUTH_TYPE", r->ap_auth_type);
    }
}

/**
 * The variables of SetEnv and PassEnv for the request's place, .htaccess included. The request's
 * own table has those of its client, too: of SetEnvIf, of mod_rewrite, of modules that know the
 * user. mod_env has no interface for other modules, but its hook fills a table.
 */
const apr_table_t *configuredVariables(const request_rec *r) {
    request_rec copy = *r;
    copy.subprocess_env = apr_table_make(r->pool, 8);
    const apr_array_header_t *hooks = ap_hook_get_fixups();
    const auto *first = hooks != nullptr ? reinterpret_cast<const ap_LINK_fixups_t *>(hooks->elts) : nullptr;
    for (int i = 0; first != nullptr && i < hooks->nelts; i++) {
        if (first[i].szName != nullptr && std::strcmp(first[i].szName, "mod_env.c") == 0) {
            first[i].pFunc(&copy);
        }
    }
    return copy.subprocess_env;
}

}  // namespace

void build(request_rec *r, const Route &route, const Body &body, std::string &buffer, std::string &path) {
    CgiEnvironment environment(buffer);
    environment.add("GATEWAY_INTERFACE", "CGI/1.1");
    environment.add("REQUEST_METHOD", r->method);
    addTarget(environment, r, route, path);
    addOrigin(environment, r, path);
    environment.add("SERVER_PROTOCOL", r->protocol);
    environment.add("SERVER_SOFTWARE", ap_get_server_banner());
    addConnection(environment, r);
    environment.add("DOCUMENT_ROOT", route.documentRoot);
    addUser(environment, r);
    if (const char *id = RequestNotes::id(r)) {
        environment.add("PASSENGER_REQUEST_ID", id);
    }
    if (body.length != nullptr) {
        environment.add("CONTENT_LENGTH", body.length);
    }
    // A body with a known length is not chunked for the application, even if the client sent it
    // chunked.
    const bool chunked = body.present && body.length == nullptr;
    const bool session = apr_table_get(r->subprocess_env, CgiEnvironment::SESSION) != nullptr;
    addHeaders(environment, r,
               {chunked ? "" : "Transfer-Encoding", body.expect ? "" : "Expect", session ? "Session" : ""});
    if (Settings::of(r).requestStart && apr_table_get(r->headers_in, REQUEST_START) == nullptr) {
        // The form of mod_headers' %t. Programs that read it see by its size that it is in
        // microseconds.
        environment.addHeader(REQUEST_START, apr_psprintf(r->pool, "t=%" APR_TIME_T_FMT, r->request_time));
    }
    for (const apr_table_entry_t &variable : entries(r->subprocess_env)) {
        if (!CgiEnvironment::isReserved(variable.key)) {
            environment.add(variable.key, orEmpty(variable.val));
        }
    }
}

Options::Variables processVariables(const request_rec *r) {
    Options::Variables variables;
    for (const apr_table_entry_t &variable : entries(configuredVariables(r))) {
        if (CgiEnvironment::isForProcess(variable.key)) {
            variables[variable.key] = orEmpty(variable.val);
        }
    }
    return variables;
}

}  // namespace Passenger::RequestEnvironment
