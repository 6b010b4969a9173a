#pragma once

#include <map>
#include <string>

#include "exchange/ApplicationPool.h"

namespace Passenger {

/** A request's environment in the form of doc/PROTOCOLS.md. @param more replaces variables of a GET
 *  of `path` */
std::string requestEnvironment(const std::string &path, const std::map<std::string, std::string> &more = {});

/** Uses a stream session: sends a request, reads the whole answer. */
std::string exchange(Session &session, const std::string &path, const std::string &body = "");

std::string bodyOf(const std::string &answer);

}  // namespace Passenger
