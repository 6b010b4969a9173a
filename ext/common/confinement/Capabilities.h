#pragma once

#include <initializer_list>

namespace Passenger::Capabilities {

/**
 * Takes all capabilities but these from the effective and permitted set of this process, which is
 * one of root. Takes all from the inheritable and ambient set. What it lacked before, it still
 * lacks. The bounding set stays, since processes that it starts inherit it: a program that root
 * executes has all of its capabilities again.
 *
 * The process has one thread.
 * @param capabilities numbers of <linux/capability.h>
 * @throws SystemException
 */
void keepOnly(std::initializer_list<unsigned> capabilities);

}  // namespace Passenger::Capabilities
