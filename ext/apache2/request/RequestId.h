#pragma once

#include <string_view>

/**
 * The id by which the lines of proxies, httpd and applications about one request are found. Has no
 * code of httpd. Pure functions.
 */
namespace Passenger::RequestId {

/**
 * The first that is present: X-Request-Id, the trace id of traceparent (W3C Trace Context, section
 * 3.2), mod_unique_id's UNIQUE_ID. A header counts only if its value is well-formed, since any
 * client can send it. An id has 1 to 128 of the characters `A-Z a-z 0-9 . _ : -`.
 *
 * @param header each value may be empty
 * @return a part of one of the values; empty: there is no id
 */
std::string_view choose(std::string_view header, std::string_view traceparent, std::string_view uniqueId) noexcept;

}  // namespace Passenger::RequestId
