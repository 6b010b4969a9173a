#pragma once

#include "commands/Arguments.h"

namespace Passenger {

/** `passenger-config about SUBJECT`. @return the exit status @throws CommandFailureException */
int about(const Arguments &arguments);
bool isAboutSubject(const std::string &name);
/** `passenger-config build-native-support`. @return the exit status */
int buildNativeSupport(const Arguments &arguments);

}  // namespace Passenger
