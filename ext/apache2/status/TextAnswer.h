#pragma once

#include <string>

#include "apache2/httpd/Httpd.h"

/** Answers of the module itself: never stored by caches, only for GET and HEAD. */
namespace Passenger::TextAnswer {

/** @return OK, or what a handler returns for another method: 405 */
int allowReading(request_rec *r);

/** Sends the answer. @param type of its content, a text that outlives the request
 *  @return what a handler returns */
int send(request_rec *r, int status, const char *type, const std::string &text);

/** Says in the log why the agent does not answer, and sends 503.
 *  @return what a handler returns */
int sendNoAgent(request_rec *r, const char *reason);

}  // namespace Passenger::TextAnswer
