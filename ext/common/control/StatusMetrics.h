#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "control/ServerStatus.h"

/** A ServerStatus as metrics for Prometheus and others that read its formats. Pure functions.
 *  doc/monitoring/README.md lists the metrics. */
namespace Passenger::StatusMetrics {

enum class Format {
    /** Prometheus's text format, version 0.0.4. */
    TEXT,
    /** Version 1.0.0. It also tells since when counters count. */
    OPEN_METRICS
};

/** The format that an Accept header prefers. OpenMetrics only if the header names it. */
Format formatFor(std::string_view accept);
const char *contentTypeOf(Format format) noexcept;

std::string render(const ServerStatus &status, Format format);

/** A metric, for the documentation. */
struct Description {
    /** The name that Prometheus stores; for a histogram, without `_bucket`. */
    std::string name;
    /** counter, gauge, histogram */
    std::string type;
    std::string labels;
    std::string help;
};
std::vector<Description> descriptions();

}  // namespace Passenger::StatusMetrics
