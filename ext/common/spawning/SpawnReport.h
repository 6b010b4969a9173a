#pragma once

#include <optional>
#include <string>

#include "base/Exceptions.h"
#include "base/Report.h"
#include "exchange/Options.h"
#include "io/Frame.h"
#include "spawning/ProcessFacts.h"
#include "spawning/SpawnSteps.h"
#include "spawning/UserResolver.h"

namespace Passenger {

/** What is known of a spawn, while it goes on and when it failed. A plain value; who shows it calls toReport(), which hides secrets. */
struct SpawnReport {
    /** One line in plain words. */
    std::string summary{};
    /** Of the application, if it raised one. */
    std::string exceptionClass{};
    std::string exceptionMessage{};
    std::string backtrace{};
    /** A report of another part, if it failed there. */
    std::string details{};
    SpawnSteps steps{};
    bool timedOut = false;
    /** How the process ended, if it did so by itself. */
    std::optional<int> waitStatus{};
    /** The last lines that the process printed. */
    std::string output{};
    /** Where its threads were when the time was over. */
    std::string threads{};
    RunAs runAs{};
    ProcessFacts process{};

    /** Takes what a FAILED frame of the process says, and makes a summary of it. @throws ProtocolException */
    void failedBy(const Frame &frame);
    /** For people: causes and remedies, too, and no secrets. */
    Report toReport(const Options &options) const;
    SpawnException toException(const Options &options) const {
        return SpawnException(toReport(options));
    }
};

}  // namespace Passenger
