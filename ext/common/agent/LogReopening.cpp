#include "agent/LogReopening.h"

#include <chrono>
#include <utility>

#include "base/Exceptions.h"

namespace Passenger {

namespace {

constexpr std::chrono::seconds PATIENCE{5};

}  // namespace

LogReopening::LogReopening(std::function<void()> ask) : ask_(std::move(ask)) {}

void LogReopening::run() {
    const auto deadline = std::chrono::steady_clock::now() + PATIENCE;
    {
        const LockGuard guard(mutex_);
        error_.reset();
    }
    ask_();
    LockGuard guard(mutex_);
    while (!error_ && guard.waitUntil(changed_, deadline)) {
    }
    if (!error_) {
        throw IOException("the watchdog has not opened the agent's log anew within 5 seconds; try again");
    }
    if (!error_->empty()) {
        throw IOException(*error_);
    }
}

void LogReopening::ended(const std::string &error) {
    const LockGuard guard(mutex_);
    error_ = error;
    changed_.notify_all();
}

}  // namespace Passenger
