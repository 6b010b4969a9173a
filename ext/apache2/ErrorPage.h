#pragma once

#include <string>
#include <string_view>

namespace Passenger::ErrorPage {

/** A page that needs no other file: what happened, and under which id the log has the rest.
 *  @param detail shown as it is (escaped); empty outside of development */
std::string render(int status, std::string_view reportId, std::string_view detail);

}  // namespace Passenger::ErrorPage
