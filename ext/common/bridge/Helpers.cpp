#include "bridge/Helpers.h"

#include <memory>

namespace Passenger::Bridge {

void Helpers::give(Place &place) {
    {
        const LockGuard lock(mutex_);
        waiting_.push_back(&place);
        if (!isMissing()) {
            changed_.notify_one();
            return;
        }
        starting_++;
    }
    startOne();
}

void Helpers::startAgain() {
    {
        const LockGuard lock(mutex_);
        if (!isMissing()) {
            return;
        }
        starting_++;
    }
    startOne();
}

bool Helpers::isMissing() const {
    return waiting_.size() > idle_ + starting_;
}

void Helpers::startOne() {
    if (!start_()) {
        {
            const LockGuard lock(mutex_);
            starting_--;
        }
        unstarted_();
    }
}

void Helpers::run(const std::function<void(Place &)> &done) {
    {
        const LockGuard lock(mutex_);
        starting_--;
    }
    // Not initialized: pages that no answer reaches take no memory.
    const auto buffer = std::make_unique_for_overwrite<char[]>(Place::READ_SIZE);
    while (Place *place = next()) {
        place->work({buffer.get(), Place::READ_SIZE});
        done(*place);
    }
}

/** Waits for a place. Null: there is no more work. */
Place *Helpers::next() {
    LockGuard lock(mutex_);
    while (waiting_.empty()) {
        if (finished_) {
            return nullptr;
        }
        idle_++;
        lock.wait(changed_);
        idle_--;
    }
    Place *place = waiting_.front();
    waiting_.pop_front();
    return place;
}

void Helpers::finish() {
    const LockGuard lock(mutex_);
    finished_ = true;
    changed_.notify_all();
}

}  // namespace Passenger::Bridge
