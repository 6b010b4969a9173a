#pragma once

#include <string>
#include <string_view>

namespace Passenger {

/**
 * Builds the environment of a request, `NAME NUL value NUL …`, in a buffer that the next request
 * uses again. Has no code of httpd.
 *
 * No name gets in twice. Neither a client's header nor SetEnv can set a reserved name: the names of
 * headers begin with HTTP_.
 */
class CgiEnvironment {
public:
    /** The variable of mod_session with `SessionEnv On`, in place of a header of the client. */
    static constexpr const char *SESSION = "HTTP_SESSION";

    explicit CgiEnvironment(std::string &buffer) : buffer_(buffer) { buffer_.clear(); }

    /** @param value is cut at its first NUL */
    void add(std::string_view name, std::string_view value);

    /** Adds a client's header as HTTP_NAME (or CONTENT_TYPE). Leaves out ambiguous names (`X_Y`),
     *  names with another meaning (`Proxy`), and Content-Length, which is added from httpd's own
     *  value. */
    void addHeader(std::string_view name, std::string_view value);
    /** Continues the last added header with a second header of the same name. */
    void appendToHeader(std::string_view name, std::string_view value);

    /** @return whether the server alone sets this name; SetEnv and the like may not */
    static bool isReserved(std::string_view name) noexcept;
    /** @return whether a module of httpd sets this variable to another value for each request,
     *  connection or client */
    static bool isIdentifier(std::string_view name) noexcept;
    /** @return whether applications get a header of this name */
    static bool isPassedOn(std::string_view headerName) noexcept;
    /** @return whether a variable of SetEnv belongs to the environment of the application's
     *  process: it has no reserved name, and no dash, as switches for httpd mostly have */
    static bool isForProcess(std::string_view name) noexcept;

private:
    std::string &buffer_;
};

}  // namespace Passenger
