#pragma once

#include <string>

#include "base/Exceptions.h"
#include "pool/Options.h"
#include "spawning/SpawnJourney.h"
#include "spawning/UserResolver.h"

namespace Passenger {

/**
 * Everything that is known about a spawn that failed, for people. A plain value. Holds no values of environment
 * variables: reports are shown to people who may not know the application's secrets.
 */
struct SpawnReport {
    /** One line in plain words. */
    std::string summary;
    /** Of the application, if it raised one. */
    std::string exceptionClass;
    std::string exceptionMessage;
    std::string backtrace;
    /** A report of another part, if it failed there. */
    std::string details;
    SpawnJourney journey;
    /** The last lines that the process printed. */
    std::string output;
    RunAs runAs;

    /** The whole text. */
    std::string text(const Options &options) const;
    SpawnException toException(const Options &options) const {
        return SpawnException(summary, text(options));
    }
};

}  // namespace Passenger
