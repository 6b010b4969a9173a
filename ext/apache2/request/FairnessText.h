#pragma once

#include <cstdint>
#include <functional>

#include "apache2/httpd/Httpd.h"
#include "shm/FairnessKey.h"

namespace Passenger {

/** MessageRequest::fairnessHash as PassengerFairnessKey has it for this request, which is
 *  authenticated. Valid as long as the request. Empty: the directive is off. */
std::function<std::uint64_t(const FairnessKey::Secret &)> fairnessHash(const request_rec *r);

}  // namespace Passenger
