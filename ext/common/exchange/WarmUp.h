#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace Passenger {

struct Options;

/** A request that each new instance answers before it takes others (PassengerWarmUp). A plain
 *  value. */
struct WarmUp {
    /** The client's connection seems to have TLS. */
    bool encrypted = false;
    /** The value of the header Host. */
    std::string host = "localhost";
    /** The path, with its query. */
    std::string target;

    static constexpr const char *USER_AGENT = "mod_passenger PassengerWarmUp";

    /** @param text `/path`, `http://host/path` or `https://host/path`. Nothing: it is none of
     *  them. */
    static std::optional<WarmUp> parse(std::string_view text);
    /** The most requests for one instance. Further requests are left out. */
    static constexpr std::size_t MOST_REQUESTS = 16;
    /** The environments of the requests of `options`, in their order. A text that is no request has
     *  none: httpd refuses it in its configuration. */
    static std::vector<std::string> environmentsFor(const Options &options);

    /** Names and values as httpd's children send them with a request; each ends with a NUL.
     *  @param variables of SetEnv */
    std::string environmentFor(const std::string &baseUri, const std::map<std::string, std::string> &variables) const;
};

}  // namespace Passenger
