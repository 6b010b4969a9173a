#include "apache2/response/LineLimits.h"

#include <algorithm>
#include <new>
#include <utility>

namespace Passenger {

std::optional<unsigned> LineLimits::mayLog(std::string_view app, std::string_view event, int status) noexcept {
    try {
        std::string kind(event);
        kind.append(1, ' ').append(std::to_string(status)).append(1, ' ').append(app);
        return find(std::move(kind));
    } catch (const std::bad_alloc &) {
        return 0;
    }
}

std::optional<unsigned> LineLimits::find(std::string kind) {
    const MonotonicTime now = clock_.now();
    LockGuard lock(mutex_);
    if (lines_.size() >= most_) {
        std::erase_if(lines_, [&](const auto &entry) { return entry.second.limit.isOver(now); });
        most_ = std::max(FEW, 2 * lines_.size());
    }
    Lines &lines = lines_[std::move(kind)];
    if (!lines.limit.allows(now)) {
        lines.leftOut++;
        return std::nullopt;
    }
    return std::exchange(lines.leftOut, 0);
}

}  // namespace Passenger
