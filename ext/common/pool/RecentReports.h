#pragma once

#include <deque>
#include <memory>
#include <string_view>

#include "base/Report.h"

namespace Passenger {

/**
 * The last reports of failures, by their id. Above a limit the oldest ones go; the latest one
 * always stays. Not thread-safe.
 */
class RecentReports {
public:
    static constexpr std::size_t MOST = 100;
    static constexpr std::size_t MAX_BYTES = 2 * 1024 * 1024;

    /** Takes the place of a report with the same id. */
    void add(std::shared_ptr<const Report> report);
    /** Null: there is none, or not any more. */
    std::shared_ptr<const Report> find(std::string_view id) const;

private:
    std::deque<std::shared_ptr<const Report>> reports_;
    std::size_t bytes_ = 0;
};

}  // namespace Passenger
