#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/** The cookie of PassengerStickySessions: it names the instance that had the client's last request. Knows nothing of httpd. */
namespace Passenger::StickyCookie {

/** The instance that a request's Cookie header names. 0: none, or not in our form. */
std::uint32_t instanceIn(std::string_view header, std::string_view name) noexcept;

/** What Set-Cookie says. @param attributes as in `SameSite=Lax; Secure`, perhaps nothing */
std::string make(std::string_view name, std::uint32_t instance, std::string_view attributes);

}  // namespace Passenger::StickyCookie
