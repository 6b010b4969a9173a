#pragma once

#include <condition_variable>
#include <functional>
#include <optional>
#include <string>

#include "base/Mutex.h"

namespace Passenger {

/**
 * Asks another process to open the log anew, and waits for its answer.
 *
 * Owned by the pool process's engine. Thread-safe; one thread at a time calls run().
 */
class LogReopening {
public:
    /** @param ask returns at once */
    explicit LogReopening(std::function<void()> ask);

    /** Blocks, for five seconds at most. @throws IOException: the log was not opened anew */
    void run() EXCLUDES(mutex_);
    /** The answer. @param error empty: it is open */
    void ended(const std::string &error) EXCLUDES(mutex_);

private:
    const std::function<void()> ask_;
    Mutex mutex_{Locks::WAITER};
    std::condition_variable changed_;
    std::optional<std::string> error_ GUARDED_BY(mutex_);
};

}  // namespace Passenger
