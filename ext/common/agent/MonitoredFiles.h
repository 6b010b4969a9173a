#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/LogMonitor.h"
#include "exchange/Options.h"
#include "rights/RunAs.h"
#include "spawning/AppResources.h"

namespace Passenger {

/**
 * Lists the files that the log monitor copies. An application's user may be unknown for a while, if
 * the user database or the application's folder cannot be read. Then the last known user is used.
 * The log says so once, and other applications are not affected.
 *
 * Owned by the engine. list() is for one thread, and may block.
 */
class MonitoredFiles {
public:
    /** The applications that have instances and name files. */
    using Applications = std::function<std::vector<Options>()>;

    /** @param resources outlive this object */
    MonitoredFiles(AppResources &resources, Applications applications)
        : resources_(resources), applications_(std::move(applications)) {}

    std::vector<LogMonitor::File> list();

private:
    struct Known {
        std::optional<RunAs> owner;
        bool complained = false;
    };

    void look(const Options &options, Known &known) const;

    AppResources &resources_;
    const Applications applications_;
    /** By the application's name. */
    std::map<std::string, Known> known_;
};

}  // namespace Passenger
