#pragma once

#include <string_view>

#include "apache2/httpd/Httpd.h"

namespace Passenger {

/** MessageSession::Request::fairnessKey as PassengerFairnessKey has it for this request, which is
 *  authenticated. Lives as long as the request. Empty: the directive is off. */
std::string_view fairnessText(const request_rec *r);

}  // namespace Passenger
