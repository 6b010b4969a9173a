#pragma once

#include <string>
#include <string_view>

namespace Passenger {

/**
 * Builds the environment of a request, `NAME NUL value NUL …`, in a buffer that is used again for the next request. Knows nothing of
 * httpd.
 *
 * No name gets in twice: what the server says of a request (setReserved's names) cannot come from a client's header, since those all
 * begin with HTTP_, nor from SetEnv.
 */
class CgiEnvironment {
public:
    explicit CgiEnvironment(std::string &buffer) : buffer_(buffer) {
        buffer_.clear();
    }

    /** @param value what follows a NUL in it is left out */
    void add(std::string_view name, std::string_view value);

    /** A client's header, as HTTP_NAME (or CONTENT_TYPE). Names that could be taken for another's (`X_Y`) or for something else
     *  (`Proxy`) are left out, and so is Content-Length, which is added from what httpd made of it. */
    void addHeader(std::string_view name, std::string_view value);
    /** Continues the header that was added last: a second header of the same name. */
    void appendToHeader(std::string_view name, std::string_view value);

    /** Whether SetEnv and the like may set this name. */
    static bool isReserved(std::string_view name) noexcept;
    /** Whether a header of this name reaches applications. */
    static bool isPassedOn(std::string_view headerName) noexcept;
    /** Whether a variable of a request (SetEnv, but also what httpd's modules note there) belongs into the environment of the
     *  application's process. */
    static bool isForProcess(std::string_view name) noexcept;

private:
    std::string &buffer_;
};

}  // namespace Passenger
