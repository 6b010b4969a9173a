#pragma once

#include <optional>
#include <string>

#include "base/Exceptions.h"
#include "base/Report.h"
#include "exchange/Options.h"
#include "io/Frame.h"
#include "rights/ProcessFacts.h"
#include "rights/UserResolver.h"
#include "spawning/SpawnSteps.h"

namespace Passenger {

/**
 * The facts about a spawn, during it and after its failure. A plain value. For people, toReport()
 * converts it and hides secrets.
 */
struct SpawnReport {
    /** One line in plain words. */
    std::string summary{};
    /** The application's exception, if it raised one. */
    std::string exceptionClass{};
    std::string exceptionMessage{};
    std::string backtrace{};
    /** The report of another part, if that part failed. */
    std::string details{};
    SpawnSteps steps{};
    bool timedOut = false;
    /** See Report. */
    bool mayPass = false;
    /** How the process ended, if it ended by itself. */
    std::optional<int> waitStatus{};
    /** How a command or Node ended that is an instance behind a bridge, or was to become one. */
    std::optional<int> commandStatus{};
    /** The last lines that the process printed. */
    std::string output{};
    /** The backtraces of its threads at the timeout. */
    std::string threads{};
    RunAs runAs{};
    ProcessFacts process{};

    /**
     * Records a FAILED frame of the process and makes a summary of it.
     * @throws ProtocolException
     */
    void failedBy(const Frame &frame);
    /** The report for people, with causes and remedies and without secrets. */
    Report toReport(const Options &options) const;
    SpawnException toException(const Options &options) const { return SpawnException(toReport(options)); }
};

}  // namespace Passenger
