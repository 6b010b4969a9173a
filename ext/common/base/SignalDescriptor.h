#pragma once

#include <initializer_list>

#include "base/FileDescriptor.h"

namespace Passenger {

/** A signalfd, which never blocks. The signals are blocked in this thread, and so in those that it makes later. @throws SystemException */
FileDescriptor makeSignalDescriptor(std::initializer_list<int> signals);

}  // namespace Passenger
