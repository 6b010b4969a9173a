#include "loop/Timer.h"

#include <ev.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/Mutex.h"
#include "loop/EventLoopImplementation.h"

namespace Passenger {

namespace {

using SteadyClock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

}  // namespace

/** Shared with posted callbacks: the state exists until the last of them has run. */
struct Timer::State : std::enable_shared_from_this<Timer::State> {
    /** The settings of the last start() or stop(). */
    struct Plan {
        /** Counts the changes. An expiry of an earlier plan has another number. */
        std::uint64_t number = 0;
        bool running = false;
        SteadyClock::time_point deadline;
        std::chrono::milliseconds repeat{0};
    };

    State(EventLoop::Implementation &owner, EventLoop::Callback function) : loop(owner), callback(std::move(function)) {
        ev_timer_init(&timer, &State::expired, 0., 0.);
        timer.data = this;
    }

    void change(bool running, std::chrono::milliseconds after, std::chrono::milliseconds repeat) EXCLUDES(mutex) {
        LockGuard guard(mutex);
        ++plan.number;
        plan.running = running;
        plan.deadline = SteadyClock::now() + after;
        plan.repeat = repeat;
    }

    /** On the loop's thread. */
    void apply() EXCLUDES(mutex) {
        if (!alive) {
            return;
        }
        Plan current;
        {
            LockGuard guard(mutex);
            current = plan;
        }
        if (current.number == applied) {
            return;
        }
        applied = current.number;
        struct ev_loop *const evLoop = loop.loop;
        ::ev_timer_stop(evLoop, &timer);
        if (current.running) {
            // libev counts from the time that it last noted, which may be long past.
            ::ev_now_update(evLoop);
            const double after = std::max(Seconds(current.deadline - SteadyClock::now()).count(), 0.);
            ev_timer_set(&timer, after, Seconds(current.repeat).count());
            ::ev_timer_start(evLoop, &timer);
        }
    }

    /** On the loop's thread. */
    void end() {
        alive = false;
        ::ev_timer_stop(loop.loop, &timer);
    }

    /** Whether the plan of the reported expiry is still valid. */
    bool take() EXCLUDES(mutex) {
        LockGuard guard(mutex);
        if (!plan.running || plan.number != applied) {
            return false;
        }
        plan.running = plan.repeat.count() > 0;
        return true;
    }

    static void expired(struct ev_loop *, ev_timer *watcher, int) noexcept {
        // The callback may destroy the timer, which holds the last other reference.
        const auto self = static_cast<State *>(watcher->data)->shared_from_this();
        if (self->take()) {
            self->callback();
        }
    }

    EventLoop::Implementation &loop;
    const EventLoop::Callback callback;

    Mutex mutex{Locks::TIMER};
    Plan plan GUARDED_BY(mutex);

    /** The following members are used only on the loop's thread. */
    ev_timer timer;
    std::uint64_t applied = 0;
    bool alive = true;
};

Timer::Timer(EventLoop &loop, EventLoop::Callback callback)
    : loop_(loop.implementation()), state_(std::make_shared<State>(*loop_, std::move(callback))) {}

Timer::~Timer() {
    if (!loop_->runSync([this] { state_->end(); })) {
        // Once the loop's thread has ended, no callback runs.
        loop_->stop();
    }
}

void Timer::start(std::chrono::milliseconds after, std::chrono::milliseconds repeat) {
    state_->change(true, after, repeat);
    apply();
}

void Timer::stop() {
    state_->change(false, {}, {});
    apply();
}

void Timer::apply() {
    if (loop_->onLoopThread()) {
        state_->apply();
    } else {
        loop_->post([state = state_] { state->apply(); });
    }
}

}  // namespace Passenger
