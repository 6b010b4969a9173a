#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include <boost/container/small_vector.hpp>

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
    /** As many as most answers have take no memory of their own. */
    using Headers = boost::container::small_vector<Header, 24>;

    /** @param lines "Name: value\r\n…" @return what is wrong, or null */
    const char *parse(std::string_view lines);

    /** What goes on to the client: without Content-Type, Content-Length, Status, and what belongs to one connection only. */
    const Headers &headers() const noexcept {
        return headers_;
    }
    const std::optional<std::string_view> &contentType() const noexcept {
        return contentType_;
    }
    const std::optional<std::uint64_t> &contentLength() const noexcept {
        return contentLength_;
    }
    /** `Connection: close`: the application wants the client's connection to end with this answer. */
    bool closes() const noexcept {
        return closes_;
    }
    /** The two that count only where the application has taken the connection over: Upgrade, and whether it says that it chunks what it sends. */
    const std::optional<std::string_view> &upgrade() const noexcept {
        return upgrade_;
    }
    bool chunked() const noexcept {
        return chunked_;
    }

private:
    const char *addLine(std::string_view line);
    const char *addHeader(Header header);
    const char *setContentLength(std::string_view value);
    const char *noteHopByHop(Header header);
    void dropNominated();

    Headers headers_;
    std::vector<std::string_view> connection_;
    std::optional<std::string_view> contentType_;
    std::optional<std::uint64_t> contentLength_;
    std::optional<std::string_view> upgrade_;
    bool chunked_ = false;
    bool closes_ = false;
};

}  // namespace Passenger
