#include "agent/LogReopening.h"

#include <chrono>
#include <utility>

#include "base/Exceptions.h"

namespace Passenger {

namespace {

constexpr std::chrono::seconds PATIENCE{5};

}  // namespace

LogReopening::LogReopening(Ask ask) : ask_(std::move(ask)) {}

void LogReopening::run() {
    const auto deadline = std::chrono::steady_clock::now() + PATIENCE;
    ask_(begin());
    LockGuard guard(mutex_);
    while (!error_ && !cancelled_ && guard.waitUntil(changed_, deadline)) {
    }
    if (!error_) {
        throw IOException(cancelled_ ? "the agent ends"
                                     : "the agent's log was not opened anew within 5 seconds; look whether the folder "
                                       "of PassengerLogFile answers, and try again");
    }
    if (!error_->empty()) {
        throw IOException(*error_);
    }
}

/** Returns the number for the question. */
std::string LogReopening::begin() {
    const LockGuard guard(mutex_);
    error_.reset();
    return std::to_string(++number_);
}

void LogReopening::ended(const std::string &number, const std::string &error) {
    const LockGuard guard(mutex_);
    if (number == std::to_string(number_)) {
        error_ = error;
        changed_.notify_all();
    }
}

void LogReopening::cancel() {
    const LockGuard guard(mutex_);
    cancelled_ = true;
    changed_.notify_all();
}

}  // namespace Passenger
