#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/Report.h"

namespace Passenger {

/** Why there was no session, or no place in the queue. */
struct GetFailure {
    enum class Reason {
        /** No instance could be started; the report says why. */
        SPAWN_FAILED,
        SHUTTING_DOWN
    };

    Reason reason;
    std::string summary;
    /** SPAWN_FAILED: everything known, for people; its id is known once the log has it. */
    std::shared_ptr<const Report> report{};

    /** The HTTP status of the answer. */
    std::uint16_t status() const noexcept { return reason == Reason::SPAWN_FAILED ? 500 : 503; }
    /** The id under which the log has the report; empty: the log has none. */
    std::string reportId() const { return report ? report->id : ""; }
};

}  // namespace Passenger
