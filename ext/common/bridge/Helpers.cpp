#include "bridge/Helpers.h"

namespace Passenger::Bridge {

void Helpers::give(Place &place) {
    {
        const LockGuard lock(mutex_);
        if (!idle_.empty()) {
            Idle &last = *idle_.back();
            idle_.pop_back();
            last.place = &place;
            last.called.notify_one();
            return;
        }
        waiting_.push_back(&place);
        if (!isMissing()) {
            return;
        }
        starting_++;
    }
    startOne();
}

bool Helpers::startFirst() {
    {
        const LockGuard lock(mutex_);
        starting_++;
    }
    return startOne();
}

void Helpers::startAgain() {
    do {
        const LockGuard lock(mutex_);
        if (!isMissing()) {
            return;
        }
        starting_++;
    } while (startOne());
}

bool Helpers::isMissing() const {
    return waiting_.size() > starting_;
}

/** @return false: not now */
bool Helpers::startOne() {
    if (start_()) {
        return true;
    }
    {
        const LockGuard lock(mutex_);
        starting_--;
    }
    unstarted_();
    return false;
}

void Helpers::run(const std::function<void(Place &)> &work) {
    {
        const LockGuard lock(mutex_);
        starting_--;
    }
    while (Place *place = next()) {
        work(*place);
    }
}

/** Waits for a place. Null: this thread is to end. */
Place *Helpers::next() {
    LockGuard lock(mutex_);
    if (!waiting_.empty()) {
        Place *place = waiting_.front();
        waiting_.pop_front();
        return place;
    }
    Idle self;
    idle_.push_back(&self);
    while (self.place == nullptr && !finished_) {
        const bool called = lock.waitUntil(self.called, std::chrono::steady_clock::now() + idleLimit_);
        // The last one stays: the system may not allow another thread later.
        if (!called && idle_.size() > 1) {
            break;
        }
    }
    if (self.place == nullptr) {
        std::erase(idle_, &self);
    }
    return self.place;
}

void Helpers::finish() {
    const LockGuard lock(mutex_);
    finished_ = true;
    for (Idle *one : idle_) {
        one->called.notify_one();
    }
}

}  // namespace Passenger::Bridge
