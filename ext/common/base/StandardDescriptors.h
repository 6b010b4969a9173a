#pragma once

namespace Passenger {

/**
 * Opens /dev/null as each of the descriptors 0, 1 and 2 that is closed: else whatever is opened next takes its place, and gets what is written there.
 * To be called first. @throws SystemException
 */
void openStandardDescriptors();

}  // namespace Passenger
