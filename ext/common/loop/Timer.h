#pragma once

#include <chrono>
#include <memory>

#include "loop/EventLoop.h"

namespace Passenger {

/**
 * Calls back on the loop's thread after a time, once or repeatedly. The callback may destroy or
 * restart its own timer. A timer that outlives its loop never calls back.
 */
class Timer {
public:
    Timer(EventLoop &loop, EventLoop::Callback callback);
    ~Timer();
    Timer(const Timer &) = delete;
    Timer &operator=(const Timer &) = delete;
    /** Starts or restarts the timer. `repeat` zero: the timer expires once. From any thread. */
    void start(std::chrono::milliseconds after, std::chrono::milliseconds repeat = std::chrono::milliseconds(0));
    /**
     * After the return no callback begins. A callback that has begun may still run, unless the
     * caller is the loop's thread.
     */
    void stop();

    struct State;

private:
    void apply();

    const std::shared_ptr<EventLoop::Implementation> loop_;
    std::shared_ptr<State> state_;
};

}  // namespace Passenger
