#pragma once

#include <functional>
#include <string>
#include <vector>

#include "agent/DescriptorLog.h"
#include "agent/InstanceRegistry.h"
#include "agent/LogMonitor.h"
#include "agent/PreStart.h"
#include "io/AgentSettings.h"

namespace Passenger {

/**
 * What the pool process does beside serving: asks for the URLs of PassengerPreStart, copies monitored logs, can be found by commands, lists
 * its descriptors. What of it cannot be done is logged, and no reason not to serve.
 *
 * Owned by the engine, between what they ask and its end. Its methods may block, and are for one thread, but monitor().
 */
class AgentServices {
public:
    struct Parts {
        /** How many instances there are. */
        std::function<unsigned()> count;
        /** LogMonitor::Parts. */
        std::function<std::vector<LogMonitor::File>()> monitoredFiles;
        /** InstanceRegistry. */
        std::function<std::string()> status;
    };

    /** @throws SystemException, boost::thread_resource_error */
    explicit AgentServices(Parts parts);

    /** @param reason "start" or "reload" */
    void use(const AgentSettings &settings, const std::string &reason);
    /** An application with monitored files may start. From any thread; never blocks. */
    void monitor() {
        monitor_.wake();
    }

private:
    const Parts parts_;
    LogMonitor monitor_;
    DescriptorLog descriptors_;
    InstanceRegistry registry_;
    PreStart preStart_;
};

}  // namespace Passenger
