#include "pool/RecentReports.h"

#include <algorithm>
#include <utility>

namespace Passenger {

void RecentReports::add(std::shared_ptr<const Report> report) {
    std::erase_if(reports_, [&](const auto &old) {
        const bool replaced = old->id == report->id;
        bytes_ -= replaced ? old->size() : 0;
        return replaced;
    });
    bytes_ += report->size();
    reports_.push_back(std::move(report));
    while (reports_.size() > 1 && (reports_.size() > MOST || bytes_ > MAX_BYTES)) {
        bytes_ -= reports_.front()->size();
        reports_.pop_front();
    }
}

std::shared_ptr<const Report> RecentReports::find(std::string_view id) const {
    const auto found =
        std::find_if(reports_.begin(), reports_.end(), [&](const auto &report) { return report->id == id; });
    return found == reports_.end() ? nullptr : *found;
}

}  // namespace Passenger
