#pragma once

#include "base/FileDescriptor.h"

namespace Passenger {

/**
 * Opens /dev/null for each of the descriptors 0, 1 and 2 that is closed. Otherwise the next opened
 * file gets that number and the output written to it. Called before any other file is opened.
 * @throws SystemException
 */
void openStandardDescriptors();

/** Makes `log` the standard output and the standard error. @throws SystemException */
void useAsOutput(const FileDescriptor &log);

}  // namespace Passenger
