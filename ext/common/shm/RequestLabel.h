#pragma once

#include <string_view>

namespace Passenger {

/** What a request is, for people. The texts belong to the caller. */
struct RequestLabel {
    /** The client's address. */
    std::string_view client;
    std::string_view method;
    /** The id by which proxies and logs name the request; may be empty. */
    std::string_view id;
    /** The URI that the client has sent. */
    std::string_view uri;
};

}  // namespace Passenger
