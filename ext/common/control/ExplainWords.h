#pragma once

namespace Passenger {

/** What passenger-config explain and the httpd that it starts agree on. */
struct ExplainWords {
    /** Begins a define of httpd (`-D`). The URL that is to be explained follows. */
    static constexpr const char *DEFINE = "PASSENGER_EXPLAIN=";
    /** Instead of a URL: all applications of the configuration. */
    static constexpr const char *ALL = "*";
    /** Begins the line on stdout with the answer, a JSON object. */
    static constexpr const char *LINE = "passenger-explain: ";
};

}  // namespace Passenger
