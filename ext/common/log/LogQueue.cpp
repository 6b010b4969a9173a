#include "log/LogQueue.h"

#include <utility>

namespace Passenger {

bool LogQueue::put(std::string_view line) {
    const LockGuard guard(mutex_);
    if (closed_) {
        return false;
    }
    // After one dropped line all following lines are dropped. So all missing lines are in one place
    // of the log.
    if (dropped_ > 0 || line.size() > CAPACITY - waiting_.size()) {
        ++dropped_;
    } else {
        waiting_ += line;
    }
    changed_.notify_all();
    return true;
}

void LogQueue::flush(TimePoint deadline) {
    LockGuard guard(mutex_);
    while ((!waiting_.empty() || writing_) && guard.waitUntil(changed_, deadline)) {
    }
}

void LogQueue::close(TimePoint deadline) {
    const LockGuard guard(mutex_);
    closed_ = true;
    deadline_ = deadline;
    changed_.notify_all();
}

bool LogQueue::waitForWriter(TimePoint deadline) {
    LockGuard guard(mutex_);
    while (!ended_ && guard.waitUntil(changed_, deadline)) {
    }
    return ended_;
}

bool LogQueue::take(std::string &lines) {
    std::uint64_t dropped = 0;
    {
        LockGuard guard(mutex_);
        writing_ = false;
        changed_.notify_all();
        while (waiting_.empty() && dropped_ == 0 && !closed_) {
            guard.wait(changed_);
        }
        lines = std::exchange(waiting_, {});
        dropped = std::exchange(dropped_, 0);
        writing_ = !lines.empty() || dropped > 0;
        if (!writing_) {
            ended_ = true;
            changed_.notify_all();
            return false;
        }
    }
    if (dropped > 0) {
        lines += droppedLine_(dropped);
    }
    return true;
}

bool LogQueue::worthWaiting() {
    const LockGuard guard(mutex_);
    return !closed_ || std::chrono::steady_clock::now() < deadline_;
}

bool LogQueue::open() {
    const LockGuard guard(mutex_);
    return !closed_;
}

}  // namespace Passenger
