#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "agent/LogMonitor.h"
#include "exchange/Options.h"
#include "rights/AppFile.h"
#include "rights/UserResolver.h"
#include "spawning/OutputLimit.h"

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
    struct Parts {
        /** The applications that have instances and name files. */
        std::function<std::vector<Options>()> applications;
        /** May also throw. */
        std::function<tl::expected<RunAs, std::string>(const Options &options)> userOf;
        std::function<AppFile::NamedBy(const std::string &path)> whoNames;
        /** Null: none. */
        std::function<std::shared_ptr<OutputLimit>(const Options &options)> limitOf{};
    };

    explicit MonitoredFiles(Parts parts) : parts_(std::move(parts)) {}

    std::vector<LogMonitor::File> list();

private:
    struct Known {
        std::optional<RunAs> owner;
        bool complained = false;
    };

    void look(const Options &options, Known &known) const;

    const Parts parts_;
    /** By the application's name. */
    std::map<std::string, Known> known_;
};

}  // namespace Passenger
