#include "agent/MonitoredFiles.h"

#include <exception>
#include <utility>

#include "base/Split.h"
#include "log/Log.h"

namespace Passenger {

std::vector<LogMonitor::File> MonitoredFiles::list() {
    std::vector<LogMonitor::File> files;
    std::map<std::string, Known> now;
    for (const Options &options : applications_()) {
        Known &known = now[options.groupName()] = std::move(known_[options.groupName()]);
        look(options, known);
        if (known.owner) {
            const auto limit = resources_.outputLimits.of(options);
            for (const std::string &path : split(options.monitoredFiles, '\n')) {
                files.push_back({path, *known.owner, resources_.outputs.whoNames(path), limit});
            }
        }
    }
    known_ = std::move(now);
    return files;
}

void MonitoredFiles::look(const Options &options, Known &known) const {
    std::string problem;
    try {
        const auto owner = resources_.userOf(options);
        if (owner) {
            known = {*owner, false};
            return;
        }
        problem = owner.error();
    } catch (const std::exception &error) {
        problem = error.what();
    }
    if (!std::exchange(known.complained, true)) {
        Log::error(
            "event=monitor.failed app=\"{}\" error=\"the application's user is unknown: {}\" "
            "directive=PassengerMonitorLogFile consequence=\"{}\"",
            options.groupName(), problem,
            known.owner ? "the agent follows its files as before"
                        : "the agent follows its files once the user is known");
    }
}

}  // namespace Passenger
