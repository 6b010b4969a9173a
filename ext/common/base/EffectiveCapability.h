#pragma once

namespace Passenger {

/** Whether this thread has the capability (capabilities(7)) in its effective set, by /proc. */
bool hasCapability(int capability);

}  // namespace Passenger
