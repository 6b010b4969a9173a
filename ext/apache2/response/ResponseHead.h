#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include <boost/container/small_vector.hpp>

namespace Passenger {

/**
 * The head of an application's answer, parsed strictly: an ambiguous head is rejected. Has no code
 * of httpd.
 *
 * The views point into the parsed text.
 */
class ResponseHead {
public:
    struct Header {
        std::string_view name;
        std::string_view value;
    };
    /** Room for the headers of most answers without an allocation. */
    using Headers = boost::container::small_vector<Header, 24>;

    /** @param lines "Name: value\r\n…" @return the problem, or null */
    const char *parse(std::string_view lines);

    /** The headers for the client: without Content-Type, Content-Length, Status, names that begin
     *  with "!~", and the headers of a single connection. */
    const Headers &headers() const noexcept { return headers_; }
    const std::optional<std::string_view> &contentType() const noexcept { return contentType_; }
    const std::optional<std::uint64_t> &contentLength() const noexcept { return contentLength_; }
    /** `Connection: close`: the application asks for the end of the client's connection after this
     *  answer. */
    bool closes() const noexcept { return closes_; }
    /** Upgrade, and whether the application sends chunks. Both matter only if the application has
     *  taken the connection over. */
    const std::optional<std::string_view> &upgrade() const noexcept { return upgrade_; }
    bool chunked() const noexcept { return chunked_; }
    /** The names of the trailer fields. */
    const std::optional<std::string_view> &trailer() const noexcept { return trailer_; }

private:
    const char *addLine(std::string_view line);
    const char *addHeader(Header header);
    const char *setContentLength(std::string_view value);
    const char *noteHopByHop(Header header);
    const char *noteNominated(std::string_view names);
    void dropNominated();

    Headers headers_;
    std::vector<std::string_view> nominated_;
    std::optional<std::string_view> contentType_;
    std::optional<std::uint64_t> contentLength_;
    std::optional<std::string_view> upgrade_;
    std::optional<std::string_view> trailer_;
    bool chunked_ = false;
    bool closes_ = false;
};

}  // namespace Passenger
