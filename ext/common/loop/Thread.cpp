#include "loop/Thread.h"

#include <pthread.h>

#include <exception>
#include <string>
#include <utility>

#include <boost/thread/thread.hpp>

namespace Passenger {

Thread::Thread() noexcept = default;

Thread::Thread(const char *name, std::function<void()> work)
    : thread_(std::make_unique<boost::thread>([name = std::string(name), work = std::move(work)]() mutable {
          ::pthread_setname_np(::pthread_self(), name.c_str());
          // The objects that `work` holds are destroyed in this thread, not in the joining one.
          const auto mine = std::exchange(work, nullptr);
          mine();
      })) {}

Thread::~Thread() {
    if (joinable()) {
        std::terminate();
    }
}

Thread::Thread(Thread &&other) noexcept = default;

Thread &Thread::operator=(Thread &&other) noexcept {
    if (joinable()) {
        std::terminate();
    }
    thread_ = std::move(other.thread_);
    return *this;
}

bool Thread::joinable() const noexcept {
    return thread_ != nullptr && thread_->joinable();
}

void Thread::join() {
    thread_->join();
}

void Thread::detach() {
    thread_->detach();
}

}  // namespace Passenger
