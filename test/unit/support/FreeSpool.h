#pragma once

#include <string>

#include "apache2/request/SpoolCharge.h"
#include "apache2/request/SpoolQuota.h"
#include "base/SystemClock.h"

namespace Passenger {

/** Charges for spool files in a folder that have no limit. */
class FreeSpool {
public:
    explicit FreeSpool(const std::string &folder)
        : quota_({nullptr, nullptr, SystemClock::instance(), SpoolQuota::measure}, {}, folder) {}

    SpoolCharge charge() { return SpoolCharge(quota_, "app"); }

private:
    SpoolQuota quota_;
};

}  // namespace Passenger
