#pragma once

#include <sys/types.h>

#include <functional>
#include <set>
#include <string>
#include <string_view>

#include "base/FileRights.h"

namespace Passenger {

/**
 * The user and group of a process of the agent that needs no rights. It is an account that the
 * configuration names, or a number that no account has.
 */
namespace DynamicUser {

/** The numbers that systemd uses for services without an account: no account should have them. */
constexpr id_t FIRST = 61184;
constexpr id_t LAST = 65519;
/** The first choice: each start has the same number if it is free. */
constexpr id_t PREFERRED = 63170;

/** @return the first number that is not taken, from PREFERRED upwards and then from FIRST. @throws
 *  IOException: all are taken */
id_t firstFree(const std::function<bool(id_t)> &isTaken);

/** The numbers of users and groups in the text of a /proc/PID/status. */
std::set<id_t> idsIn(std::string_view status);

/**
 * The rights of the account `name`, with its primary group only. Empty: a number that no account,
 * no group and no process has, as user and group. May block if user data comes from the network.
 *
 * Nothing reserves the number: another program may choose it before a process has it.
 * @throws IOException for PassengerAgentUser's administrator: names the directive and the remedy
 * @throws SystemException if /proc cannot be read
 */
FileRights choose(const std::string &name);

}  // namespace DynamicUser

}  // namespace Passenger
