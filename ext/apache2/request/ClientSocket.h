#pragma once

#include "apache2/httpd/Httpd.h"

#include "exchange/Session.h"

namespace Passenger {

/** The descriptor of a request's connection; -1 where it has none of its own (a stream of an HTTP/2 connection). */
int clientSocket(const request_rec *r) noexcept;

/** For the line (Session::receive). It must not outlive the request. */
Session::Client clientOf(const request_rec *r) noexcept;

}  // namespace Passenger
