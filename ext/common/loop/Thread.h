#pragma once

#include <functional>
#include <memory>

// Boost.Thread's headers take seconds to compile, so only Thread.cpp includes them.
namespace boost {
class thread;
}

namespace Passenger {

/**
 * A Boost thread with a name. The owner calls join() or detach() before the object is destroyed;
 * otherwise the process aborts. One thread at a time may call the methods.
 */
class Thread {
public:
    /** An object without a thread. */
    Thread() noexcept;
    /**
     * @param name 15 characters at most; the kernel shows it (pthread_setname_np(3))
     * @param work must not throw
     * @throws boost::thread_resource_error
     */
    Thread(const char *name, std::function<void()> work);
    ~Thread();
    Thread(Thread &&other) noexcept;
    /** This object must not have a running thread. */
    Thread &operator=(Thread &&other) noexcept;

    bool joinable() const noexcept;
    /** Waits until `work` has returned. Needs joinable(). */
    void join();
    /** Lets the thread run without an owner. Needs joinable(). */
    void detach();

private:
    std::unique_ptr<boost::thread> thread_;
};

}  // namespace Passenger
