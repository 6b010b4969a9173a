#pragma once

#include <string>
#include <vector>

#include "control/AppStatus.h"

/** Plots of the last day in SVG, for a page of HTML. Pure functions. */
namespace Passenger::TimePlot {

/** What is drawn: a line for the median over an area for p99; of requests, only an area. */
enum class Series { REQUESTS, QUEUE_TIME, SERVICE_TIME };

/** A plot without words, for a row of a table. @param now its right end, seconds since 1970
 *  @return empty: there is nothing to draw */
std::string small(const std::vector<PointStatus> &points, Series series, double now);
/** A plot with a scale, as wide as its place. */
std::string large(const std::vector<PointStatus> &points, Series series, double now);

}  // namespace Passenger::TimePlot
