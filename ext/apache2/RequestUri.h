#pragma once

#include <string>
#include <string_view>

namespace Passenger::RequestUri {

/**
 * The path that an application gets, percent-encoded: as the client wrote it where that is what httpd mapped and checked, else (after
 * `..`, `//`, mod_rewrite, an encoded slash) what httpd made of it.
 * @param target the request target, "/a%20b?c" or "http://host/a%20b?c"
 * @param decoded httpd's path, "/a b"
 */
std::string escapedPath(std::string_view target, std::string_view decoded);

/** Percent-encodes what may not stand in a path. */
std::string escape(std::string_view path);

}  // namespace Passenger::RequestUri
