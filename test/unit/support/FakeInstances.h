#pragma once

#include <sys/types.h>

#include <atomic>
#include <deque>
#include <mutex>

#include "io/Frame.h"
#include "loop/EventLoop.h"
#include "support/DummySpawnerFactory.h"

namespace Passenger {

/**
 * Makes a DummySpawnerFactory's instances such that pull from a queue: processes that only sleep,
 * with a control socket on which the test speaks for them. They have no descriptors of the test.
 * All are killed and reaped at the end.
 */
class FakeInstances {
public:
    FakeInstances(EventLoop &loop, DummySpawnerFactory &factory);
    ~FakeInstances();

    /** The next frame that instance `index` (from 0, in the order of their making) gets; waits for
     *  it. */
    Frame frame(std::size_t index);
    /** Whether none is there. */
    bool silent(std::size_t index);
    void send(std::size_t index, const Frame &frame);
    /** Whether the agent has read what the instance has sent, or has closed the socket. */
    bool wasRead(std::size_t index);
    void kill(std::size_t index);
    std::size_t count() const;
    pid_t pid(std::size_t index);
    /** Whether new ones have said READY in advance. */
    std::atomic<bool> saysReady{true};

private:
    struct Instance {
        pid_t pid = 0;
        FrameSocket control;
        FileDescriptor output;
    };
    SpawnResult make();
    Instance &at(std::size_t index);

    EventLoop &loop_;
    mutable std::mutex mutex_;
    /** References to its elements stay valid when it grows. */
    std::deque<Instance> instances_;
};

}  // namespace Passenger
