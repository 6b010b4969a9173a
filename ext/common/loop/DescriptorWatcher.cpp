#include "loop/DescriptorWatcher.h"

#include <ev.h>

#include <atomic>
#include <utility>

#include "loop/EventLoopImplementation.h"

namespace Passenger {

/** Shared with posted callbacks: the state exists until the last of them has run. */
struct DescriptorWatcher::State : std::enable_shared_from_this<DescriptorWatcher::State> {
    State(EventLoop &owner, int fd, int events, std::function<void(int)> function)
        : loop(owner), wanted(events), callback(std::move(function)) {
        ev_io_init(&io, &State::ready, fd, 0);
        io.data = this;
    }

    /** On the loop's thread. */
    void apply() {
        if (!alive) {
            return;
        }
        const int events = wanted;
        int evEvents = 0;
        if ((events & READABLE) != 0) {
            evEvents |= EV_READ;
        }
        if ((events & WRITABLE) != 0) {
            evEvents |= EV_WRITE;
        }
        ::ev_io_stop(loop.implementation()->loop, &io);
        if (evEvents != 0) {
            ev_io_set(&io, io.fd, evEvents);
            ::ev_io_start(loop.implementation()->loop, &io);
        }
    }

    /** On the loop's thread. */
    void end() {
        alive = false;
        ::ev_io_stop(loop.implementation()->loop, &io);
    }

    static void ready(struct ev_loop *, ev_io *watcher, int evEvents) noexcept {
        // The callback may destroy the watcher, which holds the last other reference.
        const auto self = static_cast<State *>(watcher->data)->shared_from_this();
        int events = 0;
        if ((evEvents & EV_READ) != 0) {
            events |= READABLE;
        }
        if ((evEvents & EV_WRITE) != 0) {
            events |= WRITABLE;
        }
        // setEvents() may have run since libev noted the event.
        events &= self->wanted;
        if (events != 0) {
            self->callback(events);
        }
    }

    EventLoop &loop;
    std::atomic<int> wanted;
    const std::function<void(int)> callback;
    /** The following members are used only on the loop's thread. */
    ev_io io;
    bool alive = true;
};

DescriptorWatcher::DescriptorWatcher(EventLoop &loop, int fd, int events, std::function<void(int events)> callback)
    : loop_(loop), state_(std::make_shared<State>(loop, fd, events, std::move(callback))) {
    setEvents(events);
}

DescriptorWatcher::~DescriptorWatcher() {
    loop_.runSync([this] { state_->end(); });
}

void DescriptorWatcher::setEvents(int events) {
    state_->wanted = events;
    if (loop_.onLoopThread()) {
        state_->apply();
    } else {
        loop_.post([state = state_] { state->apply(); });
    }
}

}  // namespace Passenger
