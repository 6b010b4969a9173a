#include "base/PatientThreads.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <new>
#include <numeric>
#include <thread>
#include <utility>

#include "base/Mutex.h"
#include "base/SignalsBlocked.h"

namespace Passenger {

namespace {

using std::chrono::steady_clock;

}  // namespace

struct PatientThreads::State {
    struct Works {
        struct Entry {
            std::function<void()> work;
            steady_clock::time_point since{};
        };

        std::size_t most = 0;
        std::deque<Entry> waiting{};
        std::size_t working = 0;

        std::size_t free() const noexcept { return std::min(waiting.size(), most - working); }
    };
    struct Task {
        Key key = 0;
        std::function<void()> work;
    };

    State(const char *itsName, std::size_t itsMost, std::optional<std::chrono::milliseconds> itsIdleTime)
        : name(itsName), most(itsMost), idleTime(itsIdleTime) {}

    const char *const name;
    const std::size_t most;
    const std::optional<std::chrono::milliseconds> idleTime;
    mutable Mutex mutex{Locks::PATIENT_THREADS};
    std::condition_variable changed;
    std::atomic<std::size_t> pending{0};
    /** The keys with work that is not done yet. */
    std::map<Key, Works> keys GUARDED_BY(mutex);
    /** The key that had the last turn. */
    Key last GUARDED_BY(mutex) = 0;
    std::size_t threads GUARDED_BY(mutex) = 0;
    /** The threads that are not at work, also threads that begin. */
    std::size_t idle GUARDED_BY(mutex) = 0;
    bool ending GUARDED_BY(mutex) = false;

    /** The work that threads may take now. */
    std::size_t free() const noexcept REQUIRES(mutex) {
        return std::transform_reduce(keys.begin(), keys.end(), std::size_t{0}, std::plus<>(),
                                     [](const auto &entry) { return entry.second.free(); });
    }

    /** The keys take turns. Nothing: none has work that may be done now. */
    std::optional<Task> takeTurn() noexcept REQUIRES(mutex) {
        auto next = keys.upper_bound(last);
        for (std::size_t looked = 0; looked < keys.size(); looked++, ++next) {
            next = next == keys.end() ? keys.begin() : next;
            if (Works &works = next->second; works.free() > 0) {
                Task task{next->first, std::move(works.waiting.front().work)};
                works.waiting.pop_front();
                works.working++;
                idle--;
                last = task.key;
                return task;
            }
        }
        return std::nullopt;
    }

    /** For an idle thread: waits. Nothing: the thread is to end. */
    std::optional<Task> next() EXCLUDES(mutex) {
        LockGuard guard(mutex);
        for (bool over = false;;) {
            if (std::optional<Task> task = takeTurn()) {
                return task;
            }
            if (ending || over) {
                threads--;
                idle--;
                return std::nullopt;
            }
            if (idleTime) {
                over = !guard.waitUntil(changed, steady_clock::now() + *idleTime);
            } else {
                guard.wait(changed);
            }
        }
    }

    void done(Key key) noexcept EXCLUDES(mutex) {
        const LockGuard guard(mutex);
        const auto its = keys.find(key);
        pending--;
        idle++;
        its->second.working--;
        eraseIfDone(its);
    }

    /** Signals are for other threads. @throws std::system_error */
    static void startThread(std::shared_ptr<State> state) {
        const SignalsBlocked inherited;
        std::thread([state = std::move(state)] {
            pthread_setname_np(pthread_self(), state->name);
            while (std::optional<Task> task = state->next()) {
                task->work();
                // What it holds ends before it counts as done.
                task->work = nullptr;
                state->done(task->key);
            }
        }).detach();
    }

    /** If all threads are at work, and there is work that a further one may do. @return false: none
     *  can be started. The threads that there are do it, or one that a later call starts */
    static bool startThreadIfNeeded(const std::shared_ptr<State> &state) noexcept REQUIRES(state->mutex) {
        if (state->idle >= state->free() || state->threads >= state->most) {
            return true;
        }
        try {
            startThread(state);
        } catch (const std::exception &) {
            return false;
        }
        state->threads++;
        state->idle++;
        return true;
    }

    /** @return false: there is no memory */
    bool add(Key key, std::size_t mostOfKey, std::function<void()> &&work) noexcept REQUIRES(mutex) {
        try {
            keys.try_emplace(key, Works{mostOfKey})
                .first->second.waiting.push_back({std::move(work), steady_clock::now()});
        } catch (const std::bad_alloc &) {
            return false;
        }
        pending++;
        changed.notify_one();
        return true;
    }

    /** The last work with this key. */
    std::function<void()> takeBack(Key key) noexcept REQUIRES(mutex) {
        const auto its = keys.find(key);
        std::function<void()> work = std::move(its->second.waiting.back().work);
        its->second.waiting.pop_back();
        pending--;
        eraseIfDone(its);
        return work;
    }

    void eraseIfDone(std::map<Key, Works>::iterator its) noexcept REQUIRES(mutex) {
        if (its->second.working == 0 && its->second.waiting.empty()) {
            keys.erase(its);
        }
    }
};

PatientThreads::PatientThreads(const char *name, std::size_t most, std::optional<std::chrono::milliseconds> idle)
    : state_(std::make_shared<State>(name, most, idle)) {}

PatientThreads::~PatientThreads() {
    const LockGuard guard(state_->mutex);
    state_->ending = true;
    state_->changed.notify_all();
}

bool PatientThreads::run(Key key, std::size_t mostOfKey, std::function<void()> work) noexcept {
    const LockGuard guard(state_->mutex);
    if (!state_->add(key, mostOfKey, std::move(work))) {
        return false;
    }
    State::startThreadIfNeeded(state_);
    return true;
}

bool PatientThreads::tryRun(Key key, std::size_t mostOfKey, std::function<void()> work) noexcept {
    const LockGuard guard(state_->mutex);
    if (!state_->add(key, mostOfKey, std::move(work))) {
        return false;
    }
    if (State::startThreadIfNeeded(state_)) {
        return true;
    }
    // It ends after the lock, with the parameter.
    work = state_->takeBack(key);
    return false;
}

std::size_t PatientThreads::heldUp(Key key, std::size_t many) const noexcept {
    if (state_->pending == 0) {
        return 0;
    }
    const LockGuard guard(state_->mutex);
    const auto its = state_->keys.find(key);
    if (its == state_->keys.end() || its->second.waiting.empty()) {
        return 0;
    }
    const auto waits = steady_clock::now() - its->second.waiting.front().since;
    if (waits < SOON && its->second.waiting.size() < many) {
        return 0;
    }
    State::startThreadIfNeeded(state_);
    return its->second.waiting.size() + its->second.working;
}

bool PatientThreads::has(Key key) const noexcept {
    if (state_->pending == 0) {
        return false;
    }
    const LockGuard guard(state_->mutex);
    return state_->keys.contains(key);
}

void PatientThreads::await(std::chrono::milliseconds time) const {
    const auto deadline = steady_clock::now() + time;
    while (state_->pending > 0 && steady_clock::now() < deadline) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

std::size_t PatientThreads::threads() const {
    const LockGuard guard(state_->mutex);
    return state_->threads;
}

}  // namespace Passenger
