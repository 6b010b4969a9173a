#include "pool/FirstAnswer.h"

#include <algorithm>
#include <chrono>

#include "log/Log.h"

namespace Passenger {

namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr milliseconds SHORTEST{20};
/** A look comes after this part of the time that has passed, so the time is told to within it. */
constexpr int PART = 8;
constexpr std::chrono::hours LONGEST{1};

}  // namespace

void FirstAnswer::look(MonotonicTime now) {
    if (!next_ || now < *next_ || version_ != versions_.current()) {
        return;
    }
    const auto answer = seen(now);
    if (answer) {
        Log::notice("event=deploy.answered app=\"{}\" version={} first_request={}", app_, version_,
                    std::chrono::duration_cast<milliseconds>(*answer - *versions_.deploymentBegun()).count());
    }
    const nanoseconds passed = now - since_;
    next_ =
        answer || passed > LONGEST ? std::nullopt : std::optional(now + std::max<nanoseconds>(SHORTEST, passed / PART));
}

/** An instance that has answered more than one request tells when the last of them ended. The
 *  application writes these moments, so they may be any. */
std::optional<MonotonicTime> FirstAnswer::seen(MonotonicTime now) const {
    std::optional<MonotonicTime> first;
    for (const ProcessPtr &process : instances_.all()) {
        if (process->version() != version_) {
            continue;
        }
        const AnsweredRequests answered = queue_.cells().answered(process->socket().cells);
        if (answered.count > 0) {
            const MonotonicTime ended{nanoseconds(static_cast<nanoseconds::rep>(answered.last))};
            first = earlier(first, ended < since_ || ended > now ? now : ended);
        }
    }
    return first;
}

std::optional<MonotonicTime> FirstAnswer::nextLook(MonotonicTime now) {
    if (versions_.current() != version_) {
        version_ = versions_.current();
        since_ = now;
        next_ = versions_.deploymentBegun() ? std::optional(now + SHORTEST) : std::nullopt;
    }
    return next_;
}

}  // namespace Passenger
