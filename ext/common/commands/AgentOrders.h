#pragma once

#include "commands/Arguments.h"

// The commands of passenger-config that ask or order an agent. Each prints its outcome, and returns
// the exit status.

namespace Passenger {

/** @throws CommandFailureException, and what ControlClient throws; the same holds for all */
int restartApp(const Arguments &arguments);
int detachProcess(const Arguments &arguments);
int drain(const Arguments &arguments);
int undrain(const Arguments &arguments);
int pauseQueue(const Arguments &arguments);
int resumeQueue(const Arguments &arguments);
int listAgents(const Arguments &arguments);
int reopenLogs(const Arguments &arguments);
int printReport(const Arguments &arguments);
int callApi(const Arguments &arguments);

}  // namespace Passenger
