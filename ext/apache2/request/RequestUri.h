#pragma once

#include <string>
#include <string_view>

namespace Passenger::RequestUri {

/** What becomes of `%2F` in a path that httpd lets through (its AllowEncodedSlashes). */
enum class EncodedSlash {
    /** httpd takes it for a slash, and so does the application. */
    SLASH,
    /** httpd takes it for a slash; the application gets it as it was sent. */
    PASSED_ON,
    /** httpd has left it encoded in its path. */
    KEPT
};

/**
 * Writes into `result` the path that an application gets, percent-encoded: as the client wrote it where that is what httpd mapped and checked, else (after
 * `..`, `//`, mod_rewrite) what httpd made of it.
 * @param target the request target, "/a%20b?c" or "http://host/a%20b?c"
 * @param decoded httpd's path, "/a b"
 */
void escapePath(std::string &result, std::string_view target, std::string_view decoded,
                EncodedSlash slash = EncodedSlash::SLASH);

/** What follows `base` in a path that begins with it. @param path percent-encoded @param base decoded */
std::string_view after(std::string_view path, std::string_view base);

/** Writes the path into `result`, and percent-encodes what may not stand in one. */
void escape(std::string &result, std::string_view path);

}  // namespace Passenger::RequestUri
