#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "control/AppStatus.h"
#include "control/StatusWords.h"

/** Pieces of HTML that the pages of a status share. Pure functions; all texts of others are
 *  escaped. */
namespace Passenger::StatusParts {

/** A figure with its name above and a remark below. @param share of a limit, drawn as a bar;
 *  negative: none @param weight colours the bar */
std::string tile(std::string_view name, std::string_view value, std::string_view remark = "", double share = -1,
                 StatusWords::Weight weight = StatusWords::Weight::NONE);
/** `value` as a share of `limit`; negative: there is no limit. */
double shareOf(double value, double limit);
/** How much an administrator should care that a limit is reached or near. */
StatusWords::Weight weightOfShare(double share);
/** The states of an application. */
std::string badges(const AppStatus &app);
/** Whether times were counted. Those in the queue are of requests without an answer, too. */
bool hasTimes(const WindowStatus &window, TimeQuantiles WindowStatus::*times);
std::string quantiles(const std::vector<WindowStatus> &windows, TimeQuantiles WindowStatus::*times);
/** `1 min`, `24 h`. */
std::string windowName(std::uint64_t seconds);
/** A moment, which the page's script shows in the reader's own time zone. */
std::string time(double at);
/** The report's number, and the texts if there are any. */
std::string failure(const FailureStatus &failure);

}  // namespace Passenger::StatusParts
