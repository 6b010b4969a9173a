#include "agent/AgentServices.h"

#include <exception>
#include <utility>

#include "log/Log.h"

namespace Passenger {

namespace {

void copyLine(const std::string &path, const std::string &line) {
    Log::writeCopiedLine(path, line, Log::outputPrefix());
}

}  // namespace

AgentServices::AgentServices(Parts parts)
    : parts_(std::move(parts)),
      monitor_({parts_.monitoredFiles, copyLine}),
      control_(parts_.control),
      registry_(control_),
      preStart_(parts_.preStarted),
      eventCommand_(parts_.refusals) {}

void AgentServices::use(const AgentSettings &settings, const std::string &reason) {
    // A part that fails leaves the others the settings. The next reload tries it again.
    try {
        eventCommand_.use(settings);
    } catch (const std::exception &error) {
        Log::error("event=event_command.failed error=\"{}\" directive=PassengerOnEvent", error.what());
    }
    try {
        registry_.use(settings.instanceRegistryDir, settings.socketBacklog);
    } catch (const std::exception &error) {
        Log::error(
            "event=registry.failed error=\"{}\" directive=PassengerInstanceRegistryDir consequence=\"commands do not "
            "find this agent\"",
            error.what());
    }
    try {
        descriptors_.use(settings.descriptorLogFile, reason);
    } catch (const std::exception &error) {
        Log::error("event=descriptor_log.failed error=\"{}\" directive=PassengerFileDescriptorLogFile", error.what());
    }
    try {
        preStart_.ask(settings, parts_.count() == 0);
    } catch (const std::exception &error) {
        Log::error("event=pre_start.failed error=\"{}\"", error.what());
        parts_.preStarted();
    }
}

}  // namespace Passenger
