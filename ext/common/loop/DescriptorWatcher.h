#pragma once

#include <functional>
#include <memory>

#include "loop/EventLoop.h"

namespace Passenger {

/**
 * Calls back on the loop while a descriptor is ready. Does not own the descriptor, which must stay open while it is watched.
 * The callback may destroy its own watcher.
 */
class DescriptorWatcher {
public:
    enum Events { READABLE = 1, WRITABLE = 2 };

    DescriptorWatcher(EventLoop &loop, int fd, int events, std::function<void(int events)> callback);
    ~DescriptorWatcher();
    DescriptorWatcher(const DescriptorWatcher &) = delete;
    DescriptorWatcher &operator=(const DescriptorWatcher &) = delete;
    /** What to wait for from now on; 0: nothing. From any thread. */
    void setEvents(int events);

    struct State;

private:
    EventLoop &loop_;
    std::shared_ptr<State> state_;
};

}  // namespace Passenger
