#include "pool/Restarts.h"

#include "log/Log.h"

namespace Passenger {

void Restarts::note(const std::string &app, const std::string &reason, MonotonicTime now) {
    Log::notice("event=app.restart app=\"{}\" reason=\"{}\"", app, reason);
    count_++;
    reason_ = reason;
    last_ = now;
}

void Restarts::tell(GroupSnapshot &snapshot, MonotonicTime now) const {
    snapshot.counters.restarts = count_;
    if (count_ > 0) {
        snapshot.lastRestart = RestartSnapshot{reason_, now - last_};
    }
}

}  // namespace Passenger
