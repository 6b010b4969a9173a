#pragma once

#include <cstddef>
#include <string>
#include <unordered_set>

#include "base/LogLimit.h"

namespace Passenger {

/**
 * Which refusals of applications are in the log: each application and reason gets there once. A
 * child chooses both, so what is remembered is limited, and so are the lines.
 *
 * Owned by PoolServer. Used on the event loop only.
 */
class AttachRefusals {
public:
    /** Beyond so many all are forgotten, and may be logged once more. */
    static constexpr std::size_t MOST = 4096;

    /** Whether the caller is to log this refusal. */
    bool isToLog(const std::string &app, const std::string &reason, MonotonicTime now);
    /** The configuration has changed. */
    void forget() noexcept { logged_.clear(); }

private:
    LogLimit lines_;
    /** Hash values: the texts are as long as a child likes. */
    std::unordered_set<std::size_t> logged_;
};

}  // namespace Passenger
