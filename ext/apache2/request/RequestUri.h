#pragma once

#include <string>
#include <string_view>

namespace Passenger::RequestUri {

/** How a `%2F` is treated in a path that httpd accepts (its AllowEncodedSlashes), as
 *  PassengerAllowEncodedSlashes says. */
enum class EncodedSlash {
    /** A slash for httpd and for the application. */
    SLASH,
    /** A slash for httpd; the application gets the `%2F` as the client sent it. */
    PASSED_ON,
    /** httpd has left it encoded in its path. */
    KEPT
};

/**
 * Writes the application's path, percent-encoded, into `result`. The path is the client's own form
 * if httpd has mapped and checked exactly that path. Otherwise (`..`, `//`, mod_rewrite) it is
 * httpd's result.
 *
 * @param target the request target, "/a%20b?c" or "http://host/a%20b?c"
 * @param decoded httpd's path, "/a b"
 */
void escapePath(std::string &result, std::string_view target, std::string_view decoded,
                EncodedSlash slash = EncodedSlash::SLASH);

/** The rest of a path that begins with `base`. @param path percent-encoded @param base decoded */
std::string_view after(std::string_view path, std::string_view base);

/** Writes the path into `result`, with percent-encoding of each byte that needs it. */
void escape(std::string &result, std::string_view path);

}  // namespace Passenger::RequestUri
