#pragma once

#include <exception>
#include <functional>
#include <thread>
#include <utility>

namespace Passenger {

/** A thread of a test. What it throws, a failed assertion above all, join() throws again; elsewhere it would end the whole run. */
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
    /** Waits for it: the test may have failed before it came to join(). */
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
