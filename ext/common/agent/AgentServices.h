#pragma once

#include <functional>
#include <string>
#include <vector>

#include "agent/ControlService.h"
#include "agent/DescriptorLog.h"
#include "agent/EventCommand.h"
#include "agent/InstanceRegistry.h"
#include "agent/LogMonitor.h"
#include "agent/PreStart.h"
#include "io/AgentSettings.h"

namespace Passenger {

/**
 * The side tasks of the pool process. It requests the URLs of PassengerPreStart, copies monitored
 * logs, and lists descriptors. It answers commands, lets them find the agent, and runs the command
 * of PassengerOnEvent. A failed task is logged, and the pool process goes on.
 *
 * Owned by the engine: made after the objects that `parts` calls, and destroyed before them. The
 * methods may block, and are for one thread, except monitor() and connectControl().
 */
class AgentServices {
public:
    struct Parts {
        std::function<unsigned()> count;
        /** See LogMonitor::Parts::files. */
        std::function<std::vector<LogMonitor::File>()> monitoredFiles;
        ControlService::Parts control;
        /** See EventCommand's constructor. */
        std::function<EventCommand::Refusals()> refusals;
        /** See PreStart's constructor: `ended`. */
        std::function<void()> preStarted;
    };

    /** @throws SystemException, boost::thread_resource_error */
    explicit AgentServices(Parts parts);

    /** @param reason "start" or "reload" */
    void use(const AgentSettings &settings, const std::string &reason);
    /** See ControlService::connect(). */
    FileDescriptor connectControl() { return control_.connect(); }
    /** Called when an application with monitored files may start. Any thread may call it; never
     *  blocks. */
    void monitor() { monitor_.wake(); }

private:
    const Parts parts_;
    LogMonitor monitor_;
    DescriptorLog descriptors_;
    ControlService control_;
    InstanceRegistry registry_;
    PreStart preStart_;
    EventCommand eventCommand_;
};

}  // namespace Passenger
