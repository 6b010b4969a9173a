#pragma once

#include "apache2/httpd/Httpd.h"
#include "exchange/MessageSession.h"

/**
 * The notes of a request that an application answers, for `%{NAME}n` in a LogFormat. They are
 * PASSENGER_REQUEST_ID (RequestId), PASSENGER_APP and PASSENGER_PID, the process that has answered.
 * PASSENGER_QUEUE_TIME and PASSENGER_SERVICE_TIME are in microseconds, as httpd's %D.
 * PASSENGER_TRANSFERRED is 1 where an instance has got the client's connection. All texts live as
 * long as the request.
 */
namespace Passenger::RequestNotes {

/** Called before anything else is logged about the request. @param app lives as long as the
 *  request */
void begin(request_rec *r, const char *app);
/** What is known of the process that has answered. */
void setAnswer(request_rec *r, const MessageSession &session);
void setTransferred(request_rec *r);

/** Null: the request has no id. */
const char *id(const request_rec *r);

/** The first fields of each log line about the request: `app="NAME" request="ID"`. */
const char *subject(const request_rec *r);

}  // namespace Passenger::RequestNotes
