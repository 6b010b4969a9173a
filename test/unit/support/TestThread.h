#pragma once

#include <exception>
#include <functional>
#include <thread>
#include <utility>

namespace Passenger {

/** A thread of a test. join() throws the thread's exception again, for example a failed assertion.
 *  Uncaught, the exception would end the run. */
class TestThread {
public:
    explicit TestThread(std::function<void()> action)
        : thread_([this, action = std::move(action)] {
              try {
                  action();
              } catch (...) {
                  thrown_ = std::current_exception();
              }
          }) {}
    /** Waits for the thread: a failed test may not have called join(). */
    ~TestThread() {
        if (thread_.joinable()) {
            thread_.join();
        }
    }
    TestThread(const TestThread &) = delete;
    TestThread &operator=(const TestThread &) = delete;

    void join() {
        thread_.join();
        if (thrown_) {
            std::rethrow_exception(std::exchange(thrown_, nullptr));
        }
    }

private:
    std::exception_ptr thrown_;
    std::thread thread_;
};

}  // namespace Passenger
