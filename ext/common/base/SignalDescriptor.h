#pragma once

#include <initializer_list>

#include "base/FileDescriptor.h"

namespace Passenger {

/**
 * A non-blocking signalfd. Blocks the signals in the calling thread, and so in the threads that it
 * starts later.
 * @throws SystemException
 */
FileDescriptor makeSignalDescriptor(std::initializer_list<int> signals);

/** All signals have their default action, and none is blocked. Async-signal-safe. @return false,
 *  with errno, if they stay blocked */
bool resetSignals() noexcept;

}  // namespace Passenger
