#pragma once

#include "base/Report.h"
#include "io/Frame.h"

namespace Passenger {

/**
 * Appends a report to the fields of a frame: id, summary, then title, form and text of each part.
 */
void addReport(Frame &frame, const Report &report);
/** Reads a report from the fields from `first` on. @throws ProtocolException */
Report reportIn(const Frame &frame, std::size_t first);

}  // namespace Passenger
