#pragma once

#include "base/Report.h"
#include "io/Frame.h"

namespace Passenger {

/** A report as fields of a frame, from field `first` on: id, summary, then title, form and text of each part. */
void addReport(Frame &frame, const Report &report);
/** The reverse. @throws ProtocolException */
Report reportIn(const Frame &frame, std::size_t first);

}  // namespace Passenger
