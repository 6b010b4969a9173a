#pragma once

#include <chrono>
#include <memory>

#include "loop/EventLoop.h"

namespace Passenger {

/** Calls back on the loop after a time, once or again and again. The callback may destroy or restart its own timer. */
class Timer {
public:
    Timer(EventLoop &loop, EventLoop::Callback callback);
    ~Timer();
    Timer(const Timer &) = delete;
    Timer &operator=(const Timer &) = delete;
    /** (Re)starts it. `repeat` zero: once. From any thread. */
    void start(std::chrono::milliseconds after, std::chrono::milliseconds repeat = std::chrono::milliseconds(0));
    /** Once it has returned, no callback begins; called on another thread, one may still be running. */
    void stop();

    struct State;

private:
    void apply();

    EventLoop &loop_;
    std::shared_ptr<State> state_;
};

}  // namespace Passenger
