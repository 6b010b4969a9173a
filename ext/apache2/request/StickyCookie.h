#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/** The cookie of PassengerStickySessions, which names the instance of the client's last request.
 *  PassengerStickySessionsCookieName and PassengerStickySessionsCookieAttributes describe it. Has
 *  no code of httpd. */
namespace Passenger::StickyCookie {

/** The instance that a request's Cookie header names. 0: none, or in an unknown form. */
std::uint32_t instanceIn(std::string_view header, std::string_view name) noexcept;

/** The value of Set-Cookie.
 *  @param baseUri of the application, percent-encoded, without a slash at the end: applications
 *      below one host have cookies of their own
 *  @param attributes as in `SameSite=Lax; Secure`; may be empty */
std::string make(std::string_view name, std::uint32_t instance, std::string_view baseUri, std::string_view attributes);

}  // namespace Passenger::StickyCookie
