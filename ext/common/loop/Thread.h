#pragma once

#include <functional>
#include <memory>

// The headers of Boost.Thread take seconds to compile, so only Thread.cpp includes them.
namespace boost {
class thread;
}

namespace Passenger {

/**
 * A Boost thread with a name. Its owner joins it, or lets it go by detach(), before the object ends: an object that ends with a
 * running thread aborts the process. One thread at a time may call the methods.
 */
class Thread {
public:
    /** Runs nothing. */
    Thread() noexcept;
    /** @param name 15 letters at most; the kernel shows it (pthread_setname_np(3)) @param work must not throw
     *  @throws boost::thread_resource_error */
    Thread(const char *name, std::function<void()> work);
    ~Thread();
    Thread(Thread &&other) noexcept;
    /** The object must not have a running thread. */
    Thread &operator=(Thread &&other) noexcept;

    bool joinable() const noexcept;
    /** Waits until the work has returned. Needs joinable(). */
    void join();
    /** The thread ends by itself. Needs joinable(). */
    void detach();

private:
    std::unique_ptr<boost::thread> thread_;
};

}  // namespace Passenger
