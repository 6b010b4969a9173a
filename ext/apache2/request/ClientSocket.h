#pragma once

#include "apache2/httpd/Httpd.h"

#include "exchange/MessageRequest.h"

namespace Passenger {

/** The descriptor of a request's connection; -1 for a request without a socket of its own (a stream
 *  of an HTTP/2 connection). */
int clientSocket(const request_rec *r) noexcept;
/** The descriptor of the HTTP/2 connection that has the request's stream; -1 for other requests.
 *  mod_http2's main thread uses it, so the thread of the request may only ask for its state. */
int carrierSocket(const request_rec *r) noexcept;

/** The client as MessageSession::receive() watches it. Must not outlive the request. */
MessageRequest::Client clientOf(const request_rec *r) noexcept;

}  // namespace Passenger
