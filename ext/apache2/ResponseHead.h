#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace Passenger {

/**
 * The head of an application's answer, parsed strictly: an answer that could be read in two ways is read in none. Knows nothing of httpd.
 *
 * The views point into the text that was parsed.
 */
class ResponseHead {
public:
    struct Header {
        std::string_view name;
        std::string_view value;
    };

    /** @param lines "Name: value\r\n…" @return what is wrong, or null */
    const char *parse(std::string_view lines);

    /** What goes on to the client: without Content-Type, Content-Length, Status, and what belongs to one connection only. */
    const std::vector<Header> &headers() const noexcept {
        return headers_;
    }
    const std::optional<std::string_view> &contentType() const noexcept {
        return contentType_;
    }
    const std::optional<std::uint64_t> &contentLength() const noexcept {
        return contentLength_;
    }

private:
    const char *addLine(std::string_view line);
    const char *addHeader(Header header);
    const char *setContentLength(std::string_view value);
    void dropNominated();

    std::vector<Header> headers_;
    std::vector<std::string_view> connection_;
    std::optional<std::string_view> contentType_;
    std::optional<std::uint64_t> contentLength_;
};

}  // namespace Passenger
