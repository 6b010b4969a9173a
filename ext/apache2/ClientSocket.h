#pragma once

#include "Httpd.h"

namespace Passenger {

/** The descriptor of a request's connection; -1 where it has none of its own (a stream of an HTTP/2 connection). */
int clientSocket(const request_rec *r) noexcept;

}  // namespace Passenger
