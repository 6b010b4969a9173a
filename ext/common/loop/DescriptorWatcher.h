#pragma once

#include <functional>
#include <memory>

#include "loop/EventLoop.h"

namespace Passenger {

/**
 * Calls back on the loop's thread while a descriptor is ready. The owner of the descriptor keeps it
 * open while the watcher exists. The callback may destroy its own watcher.
 */
class DescriptorWatcher {
public:
    enum Events { READABLE = 1, WRITABLE = 2 };

    DescriptorWatcher(EventLoop &loop, int fd, int events, std::function<void(int events)> callback);
    ~DescriptorWatcher();
    DescriptorWatcher(const DescriptorWatcher &) = delete;
    DescriptorWatcher &operator=(const DescriptorWatcher &) = delete;
    /** Sets the events to wait for; 0: none. From any thread. */
    void setEvents(int events);

    struct State;

private:
    EventLoop &loop_;
    std::shared_ptr<State> state_;
};

}  // namespace Passenger
