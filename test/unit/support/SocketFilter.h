#pragma once

namespace Passenger {

/** Whether the filter of system calls sees the family of a socket on this processor
 *  (doc/decisions/0028-system-calls.md). */
#if defined(__i386__) || defined(__powerpc__)
constexpr bool SOCKETS_ARE_FILTERED = false;
#else
constexpr bool SOCKETS_ARE_FILTERED = true;
#endif

}  // namespace Passenger
